"""Ways to break a file."""

from __future__ import annotations

import av


def cut_short(path, target, share=0.7):
    """Copy the first part of a file: it ends in the middle of a packet."""
    data = path.read_bytes()
    end = round(len(data) * share)
    for position, size in _packet_places(path):
        if position < end and position + size + 8 > end:
            end = position + size // 2
    target.write_bytes(data[:end])
    return target


def count_whole_packets(path, shortened):
    """Return how many of a file's video packets are whole in its first part."""
    end = shortened.stat().st_size
    return sum(position + size <= end for position, size in _packet_places(path))


def spoil_packet(path, target, number):
    """Copy a file with nonsense in the video packet `number`, from its first byte on."""
    data = bytearray(path.read_bytes())
    position, size = _packet_places(path)[number]
    data[position : position + size] = b"\xff" * size
    target.write_bytes(data)
    return target


def _packet_places(path):
    """Return position and size of every video packet's bytes."""
    data = path.read_bytes()
    with av.open(str(path)) as container:
        # `pos` is where the packet's block begins; its payload follows within a few bytes.
        return [
            (data.index(bytes(packet)[:32], packet.pos), packet.size)
            for packet in container.demux(video=0)
            if packet.size
        ]
