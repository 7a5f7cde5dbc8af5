"""Screen 2, Stages: one stage in depth. Who it waits for, who waits for it, its minute in charts."""

from __future__ import annotations

from byteor_tui.model.frame import Frame, StageRow
from byteor_tui.model.view import View
from byteor_tui.screens import stage_columns as columns
from byteor_tui.screens import stage_detail as detail
from byteor_tui.screens.delta import noted
from byteor_tui.screens.pair import Content, PairScreen
from byteor_tui.tones import Line

KEPT = 4
MANY = 2  # from so many on a wide list gives them room


class StagesScreen(PairScreen):
    """Shares columns and orders with the Overview; the detail is what is more."""

    screen_id = "stages"

    def __init__(self) -> None:
        super().__init__()
        self._sort = columns.SORTS[0]
        self._backwards = False
        self.kept: tuple[str, ...] = ()

    def content(self, view: View, chosen: str | None) -> Content:
        frame = view.frame
        if frame is None:
            return Content(
                (), lambda w: (), lambda k, w, c: (), "", "Stage", "", lambda w: [], None, (view.error,)
            )
        ordered = columns.ordered(frame.rows, self._sort, backwards=self._backwards)
        rows = {one.name: one for one in ordered if self.passes(columns.said(one), columns.figures(one))}
        longest, compared = columns.longest_name(frame.rows), view.pinned is not None
        if view.pinned is not None:
            rows = {name: noted(one, view.pinned) for name, one in rows.items()}
        found = rows.get(chosen or "")
        glyphs = view.glyphs
        order = f"sort {self._sort}{' reversed' if self._backwards else ''}"

        def row(key: str, width: int, cursor: str) -> Line:
            placed = columns.place(width, longest, compared)
            return columns.row_line(rows[key], placed, width, glyphs, selected=cursor != " ")

        return Content(
            keys=tuple(rows),
            header=lambda width: columns.header_line(
                columns.place(width, longest, compared), width, self._sort
            ),
            row=row,
            note=f"{order}, {len(rows)} of {len(frame.rows)}",
            detail_title=self._detail_title(found.name) if found else "Stage",
            detail_note=found.state if found else "",
            detail=lambda width: self._details(found, frame, view, width) if found else [],
            stamp=(
                found,
                frame.rings,
                view.pinned is not None,
                self.kept,
                len(self.kept) > 0 and frame.taken_ns,
            ),
            empty=("no stage matches the filter" if self.filter_text else "no stages",),
        )

    def _detail_title(self, name: str) -> str:
        return f"{name}, {len(self.kept)} kept in sight" if self.kept else name

    def _details(self, found: StageRow, frame: Frame, view: View, width: int) -> list[Line]:
        """The stage under the cursor and those that somebody keeps in sight, as many abreast as have room.

        Where all of them have, the kept ones stay in their places, whichever stage the cursor is on; so do
        four that fill a line. Elsewhere the one under the cursor comes first, lest it be out of sight.
        """
        kept = [row for row in frame.rows if row.name in self.kept]
        others = [row for row in kept if row.name != found.name]
        if not others:
            return detail.flat(detail.parts(found, frame, view, width))
        stages = [found, *others]
        number = detail.columns(width, len(stages))
        if number == 1:
            blocks = [detail.titled(row, frame, view, width) for row in others]
            under = [line for block in blocks for line in ((), *detail.flat(block))]
            return [*detail.flat(detail.parts(found, frame, view, width)), *under]
        if len(stages) <= number or number == KEPT:
            stages = kept if found.name in self.kept else [*kept, found]
        size = (width + detail.GAP) // number - detail.GAP
        blocks = [detail.titled(row, frame, view, size, chosen=row.name == found.name) for row in stages]
        lines: list[Line] = []
        for left in range(0, len(blocks), number):
            lines += detail.abreast(blocks[left : left + number], size)
        return lines[:-1]

    def act_keep(self) -> None:
        """Keep the stage under the cursor in sight, or let it go; the oldest of more than four goes."""
        name = self.chosen
        kept = tuple(one for one in self.kept if one != name)
        self.kept = kept if name in self.kept else (*kept, name)[-KEPT:]
        self.set_class(len(self.kept) >= MANY, "many")

    def act_sort(self) -> None:
        self._sort = columns.SORTS[(columns.SORTS.index(self._sort) + 1) % len(columns.SORTS)]

    def act_reverse(self) -> None:
        self._backwards = not self._backwards
