"""What every component begins with: values, keys, screens, mounting, and opening decoders."""

from __future__ import annotations

import pytest

T = [-0.25, 0.0, 0.1, 0.5, 0.77, 1.0, 1.25]


def test_a_late_answer_never_undoes_what_the_visitor_did_since(run):
    found = run(
        "base.js",
        """const sent = []
        const synced = new SyncedValue((message) => sent.push(message))
        const seen = []
        const receive = (value, count, subject) => {
            const taken = synced.receive({ value, count, subject })
            seen.push([synced.value, taken])
        }
        receive("start", 0)
        receive("Python's", 0)
        synced.change("one"); synced.release()
        synced.change("in hand")
        receive("Python's", 0)
        receive("one", 1)
        synced.change("two"); synced.release()
        receive("one", 1)
        receive("two", 3)
        receive("Python's own", 3)
        return [seen, sent]""",
    )
    seen, sent = found
    assert seen == [
        ["start", True],
        ["Python's", True],
        ["in hand", False],
        ["in hand", False],
        ["two", False],
        ["two", True],
        ["Python's own", True],
    ]
    assert sent == [{"value": "one", "count": 1}, {"value": "two", "count": 3}]


def test_another_subject_starts_anew_and_its_first_change_is_still_counted(run):
    found = run(
        "base.js",
        """const sent = []
        const synced = new SyncedValue((message) => sent.push(message.count))
        synced.receive({ value: [1], count: 0, subject: "a" })
        synced.change([2]); synced.change([3]); synced.change([4]); synced.release()
        const other = synced.receive({ value: [9], count: 0, subject: "b" })
        const late = synced.receive({ value: [8], count: 0, subject: "b" })
        const shown = synced.value
        synced.change([10]); synced.release({ part: true })
        return [other, late, shown, sent]""",
    )
    assert found == [True, False, [9], [3, 4]]


def test_arrows_are_steps_and_other_keys_are_left_alone(run):
    found = run(
        "base.js",
        """const press = (key, options = {}) => {
            const event = new KeyboardEvent("keydown", { key, cancelable: true, ...options })
            return [arrowKey(event), event.defaultPrevented]
        }
        return [press("ArrowLeft"), press("ArrowRight"), press("ArrowUp"), press("ArrowDown"),
            press("ArrowUp", { shiftKey: true }), press("ArrowLeft", { altKey: true }),
            press("a"), press("Enter"), press("constructor")]""",
    )
    steps = [[-1, 0], [1, 0], [0, 1], [0, -1], [0, 1]]
    assert found == [*([s, True] for s in steps), *([None, False] for _ in range(4))]


def test_screens_are_found_by_name_until_they_are_taken_away(run):
    found = run(
        "base.js",
        """const first = { n: 1 }, second = { n: 2 }
        const seen = [screenOf("map")?.n ?? null]
        const withdraw = offerScreen("map", first)
        seen.push(screenOf("map").n)
        const other = offerScreen("map", second)
        withdraw() // the first one goes when the second is there already
        seen.push(screenOf("map").n)
        other()
        seen.push(screenOf("map")?.n ?? null)
        return seen""",
    )
    assert found == [None, 1, 2, None]


def test_streamlit_makes_one_instance_for_a_place_and_closes_it(run):
    found = run(
        "base.js",
        """const log = []
        class Probe {
            constructor(root, data, send) {
                log.push(["made", root.className, data])
                this.send = send
                this.update(data)
            }
            update(data) { this.data = data; this.send("heard", data) }
            close() { log.push(["closed", this.data]) }
        }
        const mount = component(Probe, ".probe")
        const parentElement = element("div", {}, element("i", { className: "probe" }))
        const run = (data, who) => mount({ data: [data], parentElement,
            setStateValue: (name, value) => log.push([who, name, value]) })
        run(1, "first")
        const close = run(2, "second")
        close()
        run(3, "third")
        return log""",
    )
    assert found == [
        ["made", "probe", 1],
        ["first", "heard", 1],
        ["second", "heard", 2],
        ["closed", 2],
        ["made", "probe", 3],
        ["third", "heard", 3],
    ]


DECODER = """
export const log = (globalThis.log = [])
export async function openDecoder(base, model) {
    log.push(`open ${model}`)
    if (globalThis.slow) await globalThis.slow
    if (model === globalThis.missing) throw new Error("There is no such checkpoint.")
    const exact = model !== "large"
    return { model, exact, reason: exact ? null : "It is too large: the server decodes.",
        close: () => log.push(`close ${model}`) }
}
"""


@pytest.fixture
def decoders(page, runner):
    """A function that runs JavaScript with `decoders` of an element and their status line."""
    page.route(
        "**/live/decoder.js",
        lambda route: route.fulfill(body=DECODER, content_type="text/javascript"),
    )

    def evaluate(body: str):
        begin = """const [root, line] = [element("div"), element("div")]
            const status = new StatusLine(line)
            const decoders = new Decoders(root, status)
            """
        return runner(page)("base.js", begin + body)

    return evaluate


def test_decoders_are_opened_once_and_closed_when_another_is_shown(decoders):
    found = decoders(
        """const names = async (...models) =>
            (await decoders.open("", ...models)).map((d) => d.model)
        const seen = [await names("a"), await names("a", "b"), await names("b")]
        decoders.close()
        await null
        return [seen, log]"""
    )
    assert found[0] == [["a"], ["a", "b"], ["b"]]
    assert found[1] == ["open a", "open b", "close a", "close b"]


def test_it_says_why_the_server_decodes(decoders):
    found = decoders(
        """const seen = []
        for (const models of [["a", "large"], ["a"]]) {
            const [first] = await decoders.open("", ...models)
            seen.push([root.dataset.exact, line.textContent])
            first.onerror(new Error("The app cannot be reached."))
            seen.push(line.textContent)
        }
        return seen"""
    )
    assert found == [
        ["false", "It is too large: the server decodes."],
        "The app cannot be reached.",
        ["true", ""],
        "The app cannot be reached.",
    ]


def test_the_newest_opening_wins_and_none_after_closing(decoders):
    found = decoders(
        """let go
        globalThis.slow = new Promise((resolve) => { go = resolve })
        const older = decoders.open("", "a")
        const newer = decoders.open("", "b")
        const soon = () => new Promise((next) => setTimeout(next, 5))
        while (!globalThis.log?.includes("open b")) await soon()
        go()
        const seen = [await older, (await newer).map((d) => d.model)]
        const last = decoders.open("", "c")
        decoders.close()
        return [...seen, await last, log.filter((text) => text.startsWith("close"))]"""
    )
    assert found[:3] == [None, ["b"], None]
    assert "close b" in found[3]


def test_a_decoder_that_failed_is_tried_again(decoders):
    found = decoders(
        """globalThis.missing = "a"
        let reached = false
        await status.watch(async () => { await decoders.open("", "a"); reached = true })
        const seen = [reached, line.textContent]
        globalThis.missing = null
        const again = await decoders.open("", "a")
        return [...seen, again[0].model, line.textContent]"""
    )
    assert found == [False, "There is no such checkpoint.", "a", ""]
