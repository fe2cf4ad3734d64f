import os
import socket

import pytest

from local_stack import LocalStackError, PortBusy, Ports, free_port
from local_stack.ports import check_port_free


def test_each_port_is_set_by_a_variable_of_its_name() -> None:
    ports = Ports.from_env({"UNION_PORT_CARDS": "9902", "UNION_PORT_CARDS_WORKER": "9903"})
    assert (ports.cards, ports.cards_worker, ports.registry) == (9902, 9903, 8001)
    assert ports.variable_of(9903) == "UNION_PORT_CARDS_WORKER"


@pytest.mark.parametrize("text", ["0", "65536", "x", "-1", "80.5"])
def test_what_is_no_port_is_refused_by_name(text: str) -> None:
    with pytest.raises(LocalStackError, match=r"UNION_PORT_KAFKA is .* from 1 to 65535"):
        Ports.from_env({"UNION_PORT_KAFKA": text})


def test_two_processes_cannot_have_one_port() -> None:
    with pytest.raises(LocalStackError, match="UNION_PORT_REGISTRY and UNION_PORT_KAFKA are both 8001"):
        Ports.from_env({"UNION_PORT_KAFKA": "8001"})


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_busy_port_is_told_with_its_holder_and_the_variable_to_set(address: str) -> None:
    with socket.create_server((address, free_port())) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortBusy) as refusal:
            check_port_free(port, "the cards API", "UNION_PORT_CARDS")
    assert f"Port {port} for the cards API is busy" in str(refusal.value)
    assert f"process {os.getpid()}," in str(refusal.value)
    assert "set UNION_PORT_CARDS to another port" in str(refusal.value)


def test_free_ports_are_all_different() -> None:
    assert len({free_port() for _ in range(50)}) == 50
