"""A page in a room: it follows when asked, lets go at a touch, and the presenter's keys work."""

from __future__ import annotations

import json

START = """
document.body.innerHTML = '<p id="own">of the page</p><div class="room" hidden></div>'
window.streams = []
window.EventSource = class {
  constructor(address) { this.address = address; streams.push(this) }
  close() { this.closed = true }
}
window.posts = []
window.fetch = async (address, { body }) => { posts.push([address, body]); return { ok: true } }
window.visited = []
addEventListener("popstate", () => visited.push(location.pathname + location.search))
window.seen = []
globalThis.latentMaps = new Map([["map", { data: { model: "digits" },
  follow: (at, id) => seen.push(["pointer", at.x, at.y, id]),
  answer: { showLed: (pin) => seen.push(["pin", pin.row]) },
  leave: () => seen.push(["left"]) }]])
const data = { base: "", leads: given.leads, pages: ["", "interpolate", "concepts"], page: "" }
window.room = new Room(document.querySelector(".room"), data)
return true
"""


def lead(address: str = "/map?model=digits", **more) -> dict:
    return {"address": address, "model": "digits", "pointer": None, "pin": None, **more}


def share(page, place: dict | None, question: dict | None = None) -> None:
    content = json.dumps({"lead": place, "question": question})
    page.evaluate("(data) => streams.at(-1).onmessage({ data })", content)


def test_a_pupil_follows_when_asked_and_lets_go_at_a_touch(page, runner):
    runner(page)("room/room.js", START, given={"leads": False})
    page.evaluate("sessionStorage.clear()")
    pointer = {"view": "map", "x": 0.5, "y": -1, "id": 7}
    share(page, lead(pointer=pointer))
    assert page.evaluate("seen.length + visited.length") == 0
    page.get_by_role("button", name="Follow the presenter").click()
    assert page.evaluate("visited") == ["/map?model=digits"]
    assert page.evaluate("seen") == [["pointer", 0.5, -1, 7]]
    pin = {"view": "map", "count": 1, "row": 12, "z": [0, 0], "approximate": False}
    for _ in range(2):  # the same pin comes with every event
        share(page, lead("/map?model=digits&pins=12", pin=pin))
    assert page.evaluate("seen.filter(([what]) => what === 'pin')") == [["pin", 12]]
    assert page.evaluate("visited.length") == 1  # pins need no run of the page
    page.locator("#own").click()
    share(page, lead("/concepts", pointer=pointer))
    assert page.evaluate("visited.length") == 1
    page.keyboard.press("f")
    assert page.evaluate("visited.at(-1)") == "/concepts"


def test_a_pupil_answers_a_question(page, runner):
    runner(page)("room/room.js", START, given={"leads": False})
    share(page, None, {"number": 3, "text": "<b>Which?</b>", "options": ["This", "That"]})
    page.get_by_text("<b>Which?</b>").wait_for()
    page.get_by_role("button", name="That").click()
    page.wait_for_selector(".room button[aria-pressed=true]")
    address, body = page.evaluate("posts[0]")
    assert address.endswith("/live/room/answer")
    assert {k: json.loads(body)[k] for k in ("number", "option")} == {"number": 3, "option": 1}


def test_the_presenter_leads_and_turns_pages_by_keys(page, runner):
    runner(page)("room/room.js", START, given={"leads": True})
    page.evaluate("latentLead.point('map', { x: 1, y: 2 }, 5)")
    page.wait_for_function("() => posts.some(([, body]) => JSON.parse(body).pointer?.id === 5)")
    page.keyboard.press("PageDown")
    assert page.evaluate("visited") == []  # which scrolls the page unless it is presented
    page.keyboard.press("p")
    page.keyboard.press("PageDown")
    assert page.evaluate("visited") == ["/interpolate"]
    page.keyboard.press("f")
    page.get_by_role("button", name="Lead the room").wait_for()
    assert page.evaluate("globalThis.latentLead") is None
