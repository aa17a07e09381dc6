import pytest

from qarank.engine.environment import World, is_launched, read_world
from qarank.errors import LaunchError

THIRD = {"RANK": "2", "LOCAL_RANK": "0", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}


def test_without_a_launcher_a_process_is_alone_and_the_main_one() -> None:
    world = read_world({"RANK": "3", "PATH": "/bin"})
    assert world == World(global_rank=0, local_rank=0, world_size=1, local_world_size=1)
    assert world.is_main
    assert not is_launched({})


def test_torchruns_variables_give_the_place() -> None:
    world = read_world(THIRD | {"TORCHELASTIC_RESTART_COUNT": "1"})
    assert world == World(2, 0, 4, 2, restarts=1)
    assert not world.is_main
    assert is_launched(THIRD)


def test_a_launcher_may_leave_out_how_many_are_on_this_machine() -> None:
    variables = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}
    assert read_world(variables) == World(1, 1, 2, 2)


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK"])
def test_a_variable_that_is_missing_is_named(name: str) -> None:
    variables = {key: value for key, value in THIRD.items() if key != name}
    with pytest.raises(LaunchError, match=f"^the environment variable {name} is None while"):
        read_world(variables)


@pytest.mark.parametrize("name", [*THIRD, "TORCHELASTIC_RESTART_COUNT"])
@pytest.mark.parametrize("text", ["", "two", "-1", "1.0"])
def test_a_variable_that_is_no_number_is_named(name: str, text: str) -> None:
    with pytest.raises(LaunchError, match=f"^the environment variable {name} is '{text}' while"):
        read_world(THIRD | {name: text})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"RANK": "4"}, "RANK is 4; WORLD_SIZE 4 allows below that"),
        ({"WORLD_SIZE": "0"}, "RANK is 2; WORLD_SIZE 0 allows below that"),
        ({"LOCAL_RANK": "2"}, "LOCAL_RANK is 2 of LOCAL_WORLD_SIZE 2 and WORLD_SIZE 4"),
        ({"LOCAL_WORLD_SIZE": "5"}, "LOCAL_RANK is 0 of LOCAL_WORLD_SIZE 5 and WORLD_SIZE 4"),
    ],
)
def test_a_place_that_cannot_be_is_refused(wrong: dict[str, str], message: str) -> None:
    with pytest.raises(LaunchError, match=f"^{message}"):
        read_world(THIRD | wrong)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("ACCELERATE_USE_FSDP", "FSDP"),
        ("ACCELERATE_USE_DEEPSPEED", "DeepSpeed ZeRO"),
        ("ACCELERATE_USE_MEGATRON_LM", "Megatron-LM"),
    ],
)
@pytest.mark.parametrize("launched", [{}, THIRD])
def test_a_launcher_that_shards_parameters_is_refused(
    name: str, what: str, launched: dict[str, str]
) -> None:
    with pytest.raises(LaunchError, match=f"^{name} is set: {what} shards parameters") as caught:
        read_world(launched | {name: "true"})
    assert "\n" not in str(caught.value)


def test_sharding_that_is_switched_off_is_no_sharding() -> None:
    assert read_world(THIRD | {"ACCELERATE_USE_FSDP": "false"}) == World(2, 0, 4, 2)
