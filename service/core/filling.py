"""Filling: the part of the dialogue that asks a form's questions, reads the answers back and tells the result.

One question at a time; what is known is not asked. Corrections count at any time, going back goes back one
question, and nobody is held: every other request leads away as it does elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Mapping

from service.core import clock, wording
from service.core.answers import answer_reader
from service.core.assessment import assess, is_outside, needed, open_field, sentences, without_day
from service.core.form import (ASK, BIRTH_MONTH, BIRTH_YEAR, CHECK, LONGEST_ENTRY, OPEN, TOLD, UNSURE, WHICH, Field,
                               Filling)

ELSEWHERE = ("kind",)
"""Fields that count in a form without being asked there."""
TRIES_BEFORE_SKIP = 2
"""So many answers that cannot be, and it is said that the question may be left open."""


class FormTurn:
    """Mixed into the dialogue's turn, whose gathering it uses."""

    # --- where we are ----------------------------------------------------------------------------

    @property
    def form(self) -> Filling | None:
        """The form at this place, if it has one that is not told yet."""
        filling = self.session.form
        return filling if filling and filling.node == self.session.node and filling.stage != TOLD else None

    @property
    def told_form(self) -> bool:
        """True if a result was told here."""
        filling = self.session.form
        return bool(filling) and filling.node == self.session.node and filling.stage == TOLD

    def _field(self) -> Field | None:
        """The open question."""
        return self.guide.forms.fields.get(self.form.field) if self.form and self.form.stage == ASK else None

    def _takes_digits(self) -> bool:
        """Whoever rests is called by any key, and the key is no digit."""
        field, rests = self._field(), self.session.paused or self.session.waiting
        return bool(field) and field.by_digits and not rests

    def _is_answered(self) -> bool:
        """True if nothing need be asked; something else may have been said about oneself since the result."""
        return self._open_field() is None

    def _knows_the_day(self) -> bool:
        return clock.is_believed(self.guide.facts, self.today)

    def _open_field(self) -> str | None:
        """The next question; none without a day that can be right, for nothing would follow from the answers."""
        return open_field(self.guide.rules, self.session.node, self.session.answers) if self._knows_the_day() else None

    def _counting(self) -> tuple[str, ...]:
        """Fields whose answers count here."""
        return needed(self.guide.rules, self.session.node, self.session.answers)

    def _set_form(self, **changes):
        return self.update(form=replace(self.session.form, **changes))

    # --- going through it --------------------------------------------------------------------------

    def enter_form(self, first_time: bool, fresh: bool):
        """Begin, or go on with what is known. ``fresh``: some of it was said in the same breath."""
        known = any(name in self.session.answers for name in self._counting())
        self.update(form=Filling(self.session.node, heard=fresh))
        if not fresh and self._knows_the_day():  # Nobody is told what is then not computed.
            at_length = first_time and not known and self.session.detail != "short"
            self.tell(self.node.say if at_length or not self.node.brief else self.node.brief)
        if known and not fresh and self._knows_the_day():
            self.say("form_kept")
        begun = any(name in self.guide.forms.forms for name in self.session.visited if name != self.session.node)
        if first_time and not begun and self._open_field():
            self.say("form_start")
        return self._go_on()

    def _go_on(self):
        """The next question; what was heard, read back; or the result."""
        session = self.session
        name = self._open_field()
        if name:
            return self._set_form(stage=ASK, field=name, entry="", tries=0)._ask_field()
        if session.form.heard and not is_outside(session.node, session.answers) and self._knows_the_day():
            return self._set_form(stage=CHECK, field="", entry="")._read_back()
        return self._tell_result()

    def _ask_field(self):
        field = self._field()
        self._spoken += field.again if self.form.tries else field.ask
        return self._offer(field)

    def _offer(self, field: Field):
        for option in field.options:
            if option.key:
                self.say("option_line", option=option.label, key=wording.key_name(option.key))
        return self

    def _read_back(self):
        self.say("form_check")
        fields, spoken = self.guide.forms.fields, self._spoken_answers()
        for name in self._counting():
            if name in spoken:
                read = fields[name].never if _is_never(fields[name], self.session.answers[name]) else fields[name].read
                self._spoken += [line.format(**spoken) for line in read]
        return self.say("form_check_keys")

    def _tell_result(self):
        self._set_form(stage=TOLD, field="", entry="", heard=False).update(part=0)
        self._spoken += self._result()
        return self._what_now()

    def _result(self) -> list[str]:
        """What follows from the answers, if they are all there."""
        if not self._is_answered():
            return []
        node, answers = self.session.node, self.session.answers
        found = assess(self.guide.rules, node, answers, self.today) if self._knows_the_day() else without_day(node)
        return sentences(found, self.guide.prompts, self.guide.facts, self.today)

    def _form_again(self):
        """Say once more where the form is."""
        match self.session.form.stage:
            case "check":
                return self._read_back()
            case "which":
                return self._ask_which()
            case "told" if self._is_answered():
                self._spoken += self._result()
                return self._what_now()
            case "told":
                return self._go_on()
        return self._ask_field()

    # --- answers -----------------------------------------------------------------------------------

    def learn(self, values: Mapping[str, str]):
        """Keep what was said about oneself for every form of this talk."""
        answers = dict(self.session.answers)
        if values.keys() & {BIRTH_YEAR} and BIRTH_MONTH not in values and answers.get(BIRTH_YEAR) != values[BIRTH_YEAR]:
            answers.pop(BIRTH_MONTH, None)
        return self.update(answers={**answers, **values})

    def fill(self, values: Mapping[str, str], problem: str, corrected: bool, wish: str):
        """Take an answer, or several, or what is none."""
        filling = self.session.form
        if filling is None or filling.node != self.session.node:
            return self.no_match()
        if wish:
            self.heard()
            match wish:
                case "leave":
                    return self._leave_form()
                case "explain":
                    return self._explain()
            return self.say("form_why")._form_again()
        if not values and not problem:
            return self.no_match()
        self.heard()
        return self._taken(values, problem, corrected)

    def _explain(self):
        """A part of the rule at each call, and then the question again."""
        part = self.session.part % len(self.node.more)
        return self.tell(self.node.more[part]).update(part=part + 1)._form_again()

    def _taken(self, values: Mapping[str, str], problem: str, corrected: bool):
        filling = self.session.form
        before = self._open_field()
        self.learn(values)
        if values:
            asked = filling.asked if filling.field in ("", *filling.asked) else (*filling.asked, filling.field)
            answered = before != self._open_field()
            self._set_form(heard=True, asked=asked, stage=ASK, tries=0 if answered else filling.tries)
        after = self._open_field()
        if problem and self._knows_the_day():
            return self._refuse(problem, after)
        said = self._said(values)
        if not said:
            self.say("form_open")
        elif corrected or after:
            self.say("form_fixed" if corrected else "form_got", answer=said)
        return self._ask_field() if after and after == self.session.form.field else self._go_on()

    def _refuse(self, problem: str, after: str | None):
        """Say what is wrong with an answer and ask again, in other words."""
        field = after or self.session.form.field
        if problem == UNSURE:
            self._spoken += self.guide.forms.fields[field].unsure
        else:
            self.say(problem)
        if not field:
            return self._go_on() if self.session.form.stage == ASK else self._form_again()
        tries = self.session.form.tries + 1 if field == self.session.form.field else 1
        self._set_form(stage=ASK, field=field, entry="", tries=tries)
        if tries >= TRIES_BEFORE_SKIP and self._field().open:
            self.say("form_skip")
        return self._ask_field()

    def _said(self, values: Mapping[str, str]) -> str:
        """Answers as they are read back in one breath."""
        names, spoken = [f.id for f in self.guide.forms.of(self.session.node)], self._spoken_answers()
        said = {name: spoken[name] for name in names if values.get(name, OPEN) != OPEN}
        if BIRTH_YEAR in said and BIRTH_MONTH in said:
            # They are one date.
            said[BIRTH_YEAR] += said.pop(BIRTH_MONTH)
        return "，".join(said.values())

    def _spoken_answers(self) -> dict[str, str]:
        fields = self.guide.forms.fields
        return {name: spoken_answer(fields[name], value) for name, value in self.session.answers.items()
                if name in fields and value != OPEN}

    # --- keys --------------------------------------------------------------------------------------

    def form_key(self, key: str):
        """A key while a form is open."""
        if self._takes_digits():
            return self._digit_key(key)
        universal = self._universal(key)
        if universal:
            return self.command(universal)
        match self.form.stage:
            case "check" if key in "12":
                return self._do_yes() if key == "1" else self._do_no()
            case "which" if key in self._wrong_keys():
                return self._ask_anew(self._wrong_keys()[key])
            case "ask":
                option = next((o for o in self._field().options if o.key == key), None)
                if option:
                    return self.heard()._taken({self._field().target: option.value}, "", False)
        return self.heard().say("key_unknown")._form_again()

    def _digit_key(self, key: str):
        entry = self.form.entry
        match key:
            case "#" if entry:
                return self._submit(entry)
            case "#":
                return self._do_repeat()
            case "*" if entry:
                return self.heard()._set_form(entry="").say("form_erased")
            case "*":
                return self._do_up()
        if len(entry) >= LONGEST_ENTRY:
            return self.heard()._refuse("form_range", self.form.field)
        return self.heard()._set_form(entry=entry + key)

    def _submit(self, entry: str):
        self.heard()
        reader = answer_reader(self.guide)
        found = reader.read(entry, self.session.node, self.form.field, self.session.answers, self.today)
        if not found:
            return self._refuse("form_range", self.form.field)
        return self._taken(found.values, found.problem, False)

    def _form_yes(self):
        """对, 好了: what was read back is right, or the digits are complete."""
        self.heard()
        if self.form.stage == CHECK:
            return self._tell_result()
        return self._submit(self.form.entry) if self.form.entry else self._form_again()

    def _form_no(self):
        """不对: what was read back is wrong, or what was answered last."""
        self.heard()
        if self.told_form or self.form.stage == CHECK:
            return self._ask_which()
        return self._previous() if self.form.asked and self.form.stage == ASK else self._form_again()

    def forget_form(self):
        """Forget every answer that counts here."""
        counting = {self.guide.forms.fields[name].target for name in self._counting()} | set(ELSEWHERE)
        return self.update(answers={k: v for k, v in self.session.answers.items() if k not in counting})

    # --- correcting --------------------------------------------------------------------------------

    def _wrong_keys(self) -> dict[str, str]:
        """Key to each field that can be named as wrong."""
        fields = self.guide.forms.fields
        named = [n for n in self._counting() if n in self.session.answers and fields[n].read]
        return {str(i): name for i, name in enumerate(named, 1)}

    def _ask_which(self):
        if not self._knows_the_day():
            return self._tell_result()
        wrong = self._wrong_keys()
        if not wrong:
            return self.forget_form().enter(self.session.node)
        if len(wrong) == 1:
            return self._ask_anew(wrong["1"])
        self._set_form(stage=WHICH, field="", entry="").say("form_which")
        for key, name in wrong.items():
            self.say("option_line", option=self.guide.forms.fields[name].title, key=wording.key_name(key))
        return self

    def _ask_anew(self, name: str):
        """Forget an answer and ask for it again; a month goes with its year."""
        gone = {BIRTH_YEAR, BIRTH_MONTH} if name == BIRTH_MONTH else {name}
        answers = {k: v for k, v in self.session.answers.items() if k not in gone}
        return self.heard().update(answers=answers)._go_on()

    def _previous(self):
        """Back by one question, or out of the form at the first."""
        asked = self.session.form.asked
        if not asked:
            return self._leave_form()
        name, fields = asked[-1], self.guide.forms.fields
        answers = {k: v for k, v in self.session.answers.items() if k != fields[name].target}
        self.heard().update(answers=answers)._set_form(asked=asked[:-1], stage=ASK, field=name, entry="", tries=0)
        return self.say("form_back")._ask_field()

    def _leave_form(self):
        parent = self.node.parent
        return self.say("back_to", option=self.called(parent)).enter(parent)

    # --- silence and misunderstanding ----------------------------------------------------------------

    def _form_hint(self, count: int):
        """After a silence: the same in other words, then what else may be said."""
        field = self._field()
        if self._takes_digits() and self.form.entry:
            return self.say("form_entry")
        if field is None:
            return self.say("form_check_keys") if self.form.stage == CHECK else self._ask_which()
        self._spoken += field.again
        if count == 1:
            self.say("form_help")
        elif field.open:
            self.say("form_skip")
        return self._offer(field) if count > 1 else self

    # --- what is shown ---------------------------------------------------------------------------------

    def _form_choices(self) -> list[tuple[str, str]]:
        """(key, label) of what can be chosen."""
        label, field = self.guide.labels, self._field()
        if self.form.stage == CHECK:
            return [("1", label["choice_yes"]), ("2", label["choice_no"])]
        if self.form.stage == WHICH:
            return [(key, self.guide.forms.fields[name].title) for key, name in self._wrong_keys().items()]
        return [(o.key, o.label) for o in field.options if o.key] if field else []


def _is_never(field: Field, value: str) -> bool:
    """True if no month at all was paid, which nobody calls 零个月."""
    return bool(field.never) and value == "0"


def spoken_answer(field: Field, value: str) -> str:
    """An answer as it is read back, in recorded parts."""
    if _is_never(field, value):
        return wording.joint("，".join(line.removesuffix("。") for line in field.never))
    match field.type:
        case "choice":
            return wording.joint(field.option(value).read)
        case "birth_year" | "year":
            return wording.joint(wording.year(int(value)))
        case "birth_month":
            return wording.joint(f"{wording.number(int(value))}月")
        case "months":
            return wording.joint(*wording.duration(int(value)))
    # A fen changes no estimate; its jiao is said, so that nobody thinks that it was not heard.
    amount = Decimal(value)
    jiao = int(amount * 10 % 10)
    return wording.joint(*wording.yuan(int(amount)), *wording.jiao(jiao))
