"""What a model was trained on is recognised later, without its texts being kept."""

from postgrad.similarity.training_traces import Trace, trace_of

TRAINED = [
    f"Customer {i} wrote on day {7 * i % 365} that parcel {i * i} with {w} lamps is lost somewhere near {p}."
    for i, (w, p) in enumerate(
        [("two", "Oslo"), ("nine", "Quito"), ("no", "the river"), ("forty", "our depot"), ("blue", "Lagos")] * 20
    )
]


def test_equal_and_nearly_equal_requests_are_told_apart_from_new_ones():
    trace = Trace.from_bytes(trace_of(TRAINED).to_bytes())
    near = TRAINED[3].replace("somewhere near our depot", "somewhere near our depots")
    asked = [TRAINED[0], "  " + TRAINED[1].upper() + " ", near, "Please cancel my newsletter.", "", "короткий вопрос"]
    assert trace.known(asked) == ({0, 1}, {2})


def test_no_text_is_kept_and_nothing_breaks_on_nothing():
    data = trace_of(TRAINED).to_bytes()
    assert b"parcel" not in data and len(data) < 400 * len(TRAINED)
    assert trace_of([]).known(["a"]) == (set(), set())
    assert trace_of(TRAINED).known([]) == (set(), set())
