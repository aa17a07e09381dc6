"""`python -m qarank`, and what torchrun starts."""

from qarank.cli.app import main

if __name__ == "__main__":
    main()
