"""A coater of ophyd-async: a soft signal for the gap, and a loading that follows from it."""

from __future__ import annotations

from ophyd_async.core import AsyncStatus, StandardReadable, soft_signal_rw


class Coater(StandardReadable):
    def __init__(self, name: str) -> None:
        self.gap = soft_signal_rw(float, 100.0, units="um", precision=3)
        with self.add_children_as_readables():
            self.loading = soft_signal_rw(float, 0.0, units="mg/cm^2", precision=3)
        super().__init__(name)

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        await self.loading.set(0.1 * await self.gap.get_value())


def make_coater() -> Coater:
    return Coater("coater")
