"""qarank: question-answering models with low-rank adapters whose rank goes where it pays."""

__version__ = "0.1.0"
