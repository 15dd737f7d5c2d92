"""PZEM-004T v3 energy meters on one Modbus line, spoken to as RTU frames over TCP.

A request is ``address 04 start(2) count(2) crc(2)``; the answer ``address 04 bytes data crc(2)``. Input registers, 16 bit
each, 32-bit values low word first: 0 voltage (0.1 V), 1 current (1 mA, 2 registers), 3 power (0.1 W, 2), 5 energy
(1 Wh, 2), 7 frequency (0.1 Hz), 8 power factor (0.01), 9 alarm.
"""

import asyncio
import struct
from dataclasses import dataclass

READ_INPUT_REGISTERS = 0x04
REGISTER_COUNT = 10
ILLEGAL_DATA_ADDRESS = 0x02


def crc16(data: bytes) -> bytes:
    """CRC-16 of Modbus over ``data``, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return struct.pack("<H", crc)


@dataclass
class Pzem:
    """One meter: what flows through it now, and its register."""

    address: int
    voltage_v: float = 0.0
    current_a: float = 0.0
    energy_wh: float = 0.0
    power_factor: float = 1.0
    unplugged: bool = False
    # It lives on the line that it measures, and says nothing below this.
    works_from_v: float = 80.0
    # What a test makes the meter say in place of the truth, by register.
    lies: dict[str, float] | None = None

    @property
    def power_w(self) -> float:
        """Active power now."""
        return self.voltage_v * self.current_a * self.power_factor

    @property
    def speaks(self) -> bool:
        """Whether it has power and is on the line."""
        return not self.unplugged and self.voltage_v >= self.works_from_v

    def registers(self) -> list[int]:
        """The input registers."""
        lies = self.lies or {}
        current = round(lies.get("current_a", self.current_a) * 1000)
        power = round(lies.get("power_w", self.power_w) * 10)
        energy = int(lies.get("energy_wh", self.energy_wh))
        return [
            round(lies.get("voltage_v", self.voltage_v) * 10),
            current & 0xFFFF,
            current >> 16,
            power & 0xFFFF,
            power >> 16,
            energy & 0xFFFF,
            energy >> 16,
            500,
            round(self.power_factor * 100),
            0,
        ]


class PzemLine:
    """The Modbus line: answers for each meter that is plugged in."""

    def __init__(self, *meters: Pzem) -> None:
        self.meters = {meter.address: meter for meter in meters}
        self.requests = 0

    def answer(self, request: bytes) -> bytes | None:
        """The answer to one 8-byte request, or None for silence."""
        if crc16(request[:6]) != request[6:8]:
            return None
        address, function, start, count = struct.unpack(">BBHH", request[:6])
        meter = self.meters.get(address)
        if meter is None or not meter.speaks:
            return None
        self.requests += 1
        if function != READ_INPUT_REGISTERS or start + count > REGISTER_COUNT:
            refusal = bytes([address, function | 0x80, ILLEGAL_DATA_ADDRESS])
            return refusal + crc16(refusal)
        values = meter.registers()[start : start + count]
        body = struct.pack(f">BBB{count}H", address, function, count * 2, *values)
        return body + crc16(body)

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one client until it goes."""
        try:
            while True:
                answer = self.answer(await reader.readexactly(8))
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()
        except asyncio.IncompleteReadError, ConnectionError:
            pass
        finally:
            writer.close()
