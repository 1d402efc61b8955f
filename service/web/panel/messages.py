"""Messages: what the person in front is told when something is not possible, by the error's code."""

from flask_babel import lazy_gettext as _l

BY_CODE = {
    "bad_request": _l("Something in the form cannot be read. Please check it and try again."),
    "check_unfinished": _l("The check is not done yet, or found something that does not allow this."),
    "checks_many": _l("Too many checks are waiting. Please try again in a few minutes."),
    "claimed_by_other": _l("Somebody else is taking care of it already."),
    "closed_already": _l("It has been marked as done already."),
    "code_expired": _l("This code is too old. Ask for a new one on the device."),
    "code_wrong": _l("This code is not right, or was used already."),
    "content_invalid": _l("A file of the guide is not complete just now. Please correct it first."),
    "device_paired": _l("This device is paired already."),
    "edit_stale": _l("Somebody else changed this in the meantime. Look at the new version first."),
    "forbidden": _l("Your role does not allow this."),
    "invitation_expired": _l("This invitation is too old. Ask for a new one."),
    "invitation_used": _l("This invitation was used already. Ask for a new one."),
    "invitation_wrong": _l("This invitation does not exist, or was taken back."),
    "last_editor": _l("Somebody has to be able to edit the guide. Let somebody else do it first."),
    "last_owner": _l("Somebody has to stay the owner. Make somebody else the owner first."),
    "login_wrong": _l("The name or the password is not right."),
    "name_number": _l("Please use a name or nickname, never a number of an identity card or a telephone."),
    "name_taken": _l("This name is taken. Choose another one."),
    "name_unusable": _l("The name is empty or too long."),
    "not_claimed": _l("You are not taking care of this."),
    "not_found": _l("This does not exist, or is not yours to see."),
    "notice_empty": _l("Choose a section or write a message."),
    "notice_gone": _l("This was read out already, or was called off."),
    "notice_long": _l("The message is too long: 120 characters at most."),
    "notice_money": _l("Codes, passwords and transfers of money are not for this device: the guide warns of whoever asks "
                       "for them. Please call instead."),
    "notice_number": _l("No long numbers: what is spoken aloud can be heard by everybody in the room."),
    "notice_unsayable": _l("The guide cannot read this part aloud: %(parts)s. Please write it in Chinese words."),
    "notices_many": _l("Too many are planned for this device. Cancel some first."),
    "password_long": _l("The password is too long."),
    "password_weak": _l("The password needs 8 characters at least, and not always the same one."),
    "phrase_marked": _l(
        "A number or a name was taken out of this sentence. Write ordinary words in place of the brackets."),
    "repeats_unknown": _l("Choose how often it is repeated."),
    "role_unknown": _l("Choose a role."),
    "rollback_stale": _l("These files were changed again since. They cannot be rolled back as a whole."),
    "store_failed": _l("The records cannot be read or written just now. Nothing was lost; please try again."),
    "too_large": _l("This is too large."),
    "too_often": _l("Too many attempts. Please wait a few minutes."),
    "totp_needed": _l("Please enter the code of your authenticator app."),
    "totp_wrong": _l("The code of the authenticator app is not right, or was used already."),
    "undo_impossible": _l("This cannot be taken back: the guide would not be complete without it."),
    "undone_already": _l("This was taken back already."),
    "voice_failed": _l("This cannot be spoken just now."),
    "csrf": _l("The page was open for too long. Please try again."),
    "internal": _l("Something went wrong on our side. Please try again."),
}


def message(code: str, **values: str) -> str:
    """What to say about an error of that code, with what it is about."""
    text = str(BY_CODE.get(code, BY_CODE["internal"]))
    return text % values if values else text
