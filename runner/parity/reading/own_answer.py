"""What a runtime shows that scores its own answer alone, as a server does: which ids it generates. Pure."""

from parity.models.pieces import Added
from parity.reading.retokenised import UNDECODED
from parity.records import Scored, ScoreRequest, Trial


def of_own_answer(trial: Trial, asked: ScoreRequest) -> Trial:
    """The trial with the ids of its answer, where these are known; and without its scores, where they are not of the
    sequence's prompt, or of the text that it wrote.

    A runtime that is told to choose no end token chooses another one where that is the likeliest. What follows is not
    greedy, so that it says nothing, and the ids are not those of a greedy answer."""
    if trial.prompt_ids != asked.ids[: asked.prompt_tokens] or not _writes_its_text(trial):
        return trial.but(scores=(), answer_scored=True)
    banned = next((k for k, scored in enumerate(trial.scores) if _is_end_passed_over(trial, scored)), None)
    if banned is not None:
        return trial.but(scores=trial.scores[:banned], answer_scored=True)
    ids = tuple(scored.id for scored in trial.scores)
    ended = _is_special(trial, ids[-1]) or (
        trial.identity is not None and trial.identity.settings.get("stopped") is True
    )
    return trial.but(answer_scored=True, output_ids=ids, shows_end=ended)


def _writes_its_text(trial: Trial) -> bool:
    """Whether the ids that it shows write the text that it shows, white space around it and broken characters aside,
    for which servers write one mark, or several, or nothing."""
    pieces = [trial.pieces.get(scored.id) for scored in trial.scores]
    if trial.text is None or None in pieces:
        return False
    written = b"".join(piece for piece in pieces if piece is not None).decode("utf-8", errors="replace")
    return written.replace(UNDECODED, "").strip() == trial.text.replace(UNDECODED, "").strip()


def _is_end_passed_over(trial: Trial, scored: Scored) -> bool:
    """Whether the likeliest token is one that it was told not to choose, or to go on past. One that was told neither
    has no excuse."""
    if trial.identity is None or trial.identity.settings.get("past_end") is not True:
        return False
    likeliest = scored.top[0][0] if scored.top else scored.id
    return likeliest != scored.id and (_is_special(trial, likeliest) or isinstance(trial.pieces.get(likeliest), Added))


def _is_special(trial: Trial, token: int) -> bool:
    return trial.pieces.get(token) == b""
