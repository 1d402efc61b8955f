"""Publishing: changes of the guide made in the panel, each with what it changed, so that it can be undone."""

from __future__ import annotations

import datetime
import logging
import threading
from dataclasses import dataclass
from typing import Callable, Iterable, Protocol

from sqlalchemy import Engine, or_, select, update

from service.care.audit import Audit
from service.care.teaching import is_marked
from service.content.edit import GuideEditor, Stale
from service.content.proposal import DiffLine, Proposal
from service.errors import GuideError, NotFound, Refused, StoreError
from service.store.database import held, transaction
from service.store.tables import AccountRow, MissRow, PublicationRow

log = logging.getLogger(__name__)
SHOWN = 100
PUBLISHING_LOCK = 0x7075626C
"""PostgreSQL's advisory lock of the process that publishes."""


class Live(Protocol):
    """What takes up edited files, as ``content.live.LiveGuide`` does."""

    def look(self) -> bool:
        """Take them up, if there are any."""


@dataclass(frozen=True)
class Publication:
    """One change of the guide."""

    id: int
    at: datetime.datetime
    account_id: int | None
    account: str | None
    """None: the account is gone."""
    kind: str
    """node, fact, teach, unteach or rollback."""
    target: str
    phrase: str | None
    undone_at: datetime.datetime | None


class Publishing:
    """Writes changes into the guide's files and keeps what they were. Thread-safe."""

    def __init__(self, engine: Engine, editor: GuideEditor, live: Live, audit: Audit,
                 now: Callable[[], datetime.datetime]):
        self._engine, self._editor, self._live, self._audit, self._now = engine, editor, live, audit, now

    # --- publishing ------------------------------------------------------------------------------------------

    def publish(self, proposal: Proposal, kind: str, target: str, account_id: int, phrase: str | None = None,
                miss_id: int | None = None, undoes: int | None = None) -> int:
        """Publish a change; its number. What was taught settles its sentence, ``undoes`` marks what is taken back.

        Listeners hear it once it has been learnt. As ``GuideEditor.publish`` for a proposal that has problems or
        does not fit any more; Refused("phrase_marked") for a phrase from which something was taken out.
        """
        if phrase and kind == "teach" and is_marked(phrase):
            raise Refused("phrase_marked")
        # One after the other, in all processes: the second one is refused if it does not fit any more.
        with held(self._engine, PUBLISHING_LOCK):
            self._editor.publish(proposal)
            try:
                number = self._write(proposal, kind, target, account_id, phrase, miss_id, undoes)
            except StoreError:
                # A change that nobody could undo from the panel must not stay.
                self._put_back(proposal)
                raise
        threading.Thread(target=self._take_up, name="take-up", daemon=True).start()
        return number

    def _write(self, proposal: Proposal, kind: str, target: str, account_id: int, phrase: str | None,
               miss_id: int | None, undoes: int | None) -> int:
        with transaction(self._engine) as orm:
            miss = orm.get(MissRow, miss_id) if miss_id else None
            row = PublicationRow(account_id=account_id, at=self._now(), kind=kind, target=target, phrase=phrase,
                                 miss_id=miss and miss.id,
                                 files={name: list(texts) for name, texts in proposal.files.items()})
            orm.add(row)
            self._audit.add(orm, account_id, miss and miss.person_id, kind, phrase or target)
            if miss:
                # What is taken back is a sentence again that nobody understands.
                miss.settled_at = self._now() if kind == "teach" else None
            if undoes:
                self._undone(orm, undoes)
            orm.flush()
            return row.id

    def _undone(self, orm, publication_id: int) -> None:
        orm.execute(update(PublicationRow).where(PublicationRow.id == publication_id,
                                                 PublicationRow.undone_at.is_(None)).values(undone_at=self._now()))

    def _put_back(self, proposal: Proposal) -> None:
        try:
            self._editor.publish(self._editor.propose_files({name: texts[0] for name, texts in proposal.files.items()}))
        except (GuideError, ValueError):
            log.exception("a change of the guide was published and could neither be written down nor put back")

    def _take_up(self) -> None:
        try:
            self._live.look()
        except Exception:  # in a thread of its own nobody else would hear of it
            log.exception("the edited guide could not be taken up")

    # --- what was published ------------------------------------------------------------------------------------

    def history(self, limit: int = SHOWN) -> list[Publication]:
        """What was published, the last first."""
        with transaction(self._engine) as orm:
            return [Publication(*row) for row in orm.execute(_PUBLICATIONS.order_by(PublicationRow.id.desc())
                                                             .limit(limit))]

    def publication(self, publication_id: int) -> Publication:
        """One of them; NotFound if there is none."""
        with transaction(self._engine) as orm:
            row = orm.execute(_PUBLICATIONS.where(PublicationRow.id == publication_id)).one_or_none()
        if row is None:
            raise NotFound("no such publication")
        return Publication(*row)

    def difference(self, publication_id: int) -> tuple[DiffLine, ...]:
        """What it changed."""
        return Proposal({name: tuple(texts) for name, texts in self._files(publication_id).items()}, (),
                        None).difference

    def taught(self, account_id: int, person_ids: Iterable[int], everything: bool = False) -> list[Publication]:
        """What was taught and not taken back, by this account or for one of these people; or ``everything``."""
        query = (_PUBLICATIONS.outerjoin(MissRow, MissRow.id == PublicationRow.miss_id)
                 .where(PublicationRow.kind == "teach", PublicationRow.undone_at.is_(None)))
        if not everything:
            query = query.where(or_(PublicationRow.account_id == account_id,
                                    MissRow.person_id.in_(list(person_ids))))
        with transaction(self._engine) as orm:
            return [Publication(*row) for row in orm.execute(query.order_by(PublicationRow.id.desc()).limit(SHOWN))]

    # --- undoing -----------------------------------------------------------------------------------------------

    def roll_back(self, publication_id: int) -> Proposal:
        """The guide as it was before; Stale if one of its files was changed again since."""
        files = self._files(publication_id)
        found = self._editor.propose_files({name: before for name, (before, _) in files.items()})
        if found.problems and not found.files:
            return found
        now = {name: found.files[name][0] if name in found.files else before for name, (before, _) in files.items()}
        if any(now[name] != after for name, (_, after) in files.items()):
            raise Stale("这些文件后来又改过，不能整个退回去")
        return found

    def unteach(self, publication_id: int, account_id: int) -> None:
        """Take back what was taught; its sentence is open again. Refused if it was taken back already."""
        found = self.publication(publication_id)
        if found.kind != "teach" or not found.phrase:
            raise NotFound("nothing was taught by it")
        if found.undone_at:
            raise Refused("undone_already")
        try:
            proposal = self._editor.withdraw_request(found.target, found.phrase)
        except NotFound:
            # Somebody took it out of the file: what is wanted is so already.
            with transaction(self._engine) as orm:
                self._undone(orm, publication_id)
                self._audit.add(orm, account_id, None, "unteach", found.phrase)
            return
        if proposal.problems:
            raise Refused("undo_impossible", str(proposal.problems[0]))
        with transaction(self._engine) as orm:
            miss_id = orm.scalar(select(PublicationRow.miss_id).filter_by(id=publication_id))
        self.publish(proposal, "unteach", found.target, account_id, found.phrase, miss_id, publication_id)

    def _files(self, publication_id: int) -> dict[str, list[str]]:
        with transaction(self._engine) as orm:
            row = orm.get(PublicationRow, publication_id)
            if row is None:
                raise NotFound("no such publication")
            return row.files


_PUBLICATIONS = (select(PublicationRow.id, PublicationRow.at, PublicationRow.account_id, AccountRow.name,
                        PublicationRow.kind, PublicationRow.target, PublicationRow.phrase, PublicationRow.undone_at)
                 .outerjoin(AccountRow, AccountRow.id == PublicationRow.account_id))
