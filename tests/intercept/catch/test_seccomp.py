"""The filter, run by a small interpreter of classic BPF."""

from __future__ import annotations

import struct

import pytest

from wsproxy.intercept.catch.seccomp import AARCH64, ARM, I386, X86_64, filter_program

ALLOW, NOTIFY = 0x7FFF0000, 0x7FC00000
RISCV = 0xC00000F3


def decide(architecture: int, number: int, argument: int = 0) -> int:
    """What the filter returns for a system call."""
    data = struct.pack("=iIQQ", number - (number >> 31 << 32), architecture, 0, argument)
    program = list(struct.iter_unpack("=HBBI", filter_program()))
    position = accumulator = 0
    while True:
        code, if_true, if_false, value = program[position]
        position += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, value)
            case 0x15:
                position += if_true if accumulator == value else if_false
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


@pytest.mark.parametrize(
    ("architecture", "number"),
    [(X86_64, 42), (X86_64, 42 | 0x40000000), (I386, 362), (AARCH64, 203), (ARM, 283)],
    ids=["x86_64", "x32", "i386", "aarch64", "arm"],
)
def test_filter_connect_of_each_architecture_notifies_and_nothing_else(
    architecture: int, number: int
) -> None:
    assert decide(architecture, number) == NOTIFY
    others = set(range(600)) - {number & 0xFFFF}
    assert {decide(architecture, each, 1) for each in others} == {ALLOW}


def test_filter_socketcall_notifies_for_connect_only() -> None:
    assert [decide(I386, 102, call) for call in range(1, 5)] == [ALLOW, ALLOW, NOTIFY, ALLOW]


def test_filter_unknown_architecture_is_allowed() -> None:
    assert decide(RISCV, 203) == ALLOW
