"""All that a link carries: the table that reading, writing and `docs/links.md` follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CONTROLS", "TABLE", "Control", "Parameter", "as_markdown"]


@dataclass(frozen=True)
class Parameter:
    """Something that a link carries.

    Args:
        name: name in the address.
        pages: addresses of the pages that read it; "map" for the first page.
        kind: description of its values.
        default: description of the value without it.
        about: description of its meaning.
        pushed: whether a change is a step of its own, which Back undoes.
        old: values that earlier versions wrote, and what they are now.
    """

    name: str
    pages: tuple[str, ...]
    kind: str
    default: str
    about: str
    pushed: bool = True
    old: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Control:
    """A part of a page that `hide` takes away.

    Args:
        name: name in the address.
        label: name on the page.
        pages: pages that have it, as in `Parameter`.
        selector: elements that are taken away, as in CSS.
        setting: what is set instead, where they lie in a component of their own.
    """

    name: str
    label: str
    pages: tuple[str, ...]
    selector: str = ""
    setting: str = ""

    @property
    def rule(self) -> str:
        """The rule of CSS that takes it away."""
        if self.setting:
            return f":root {{ --{self.setting}: none; }}"
        return f"{self.selector} {{ display: none !important; }}"


_LESSONS = (
    "learn_autoencoder", "learn_elbo", "learn_terms", "learn_likelihoods",
    "learn_reparameterisation", "learn_amortised", "learn_arithmetic", "learn_codes",
    "learn_plane",
)  # fmt: skip
_PLACES = ("map", "interpolate", "concepts")
_PLACE = (
    "id of a real image or f and its file, n and the seed of a draw, or a code as the page writes "
    "them"
)
_EVERY = (
    *_PLACES,
    *_LESSONS,
    "learn_conclusion",
    "train",
    "library",
    "room",
    "teachers",
    "glossary",
)
CONTROLS = (
    Control("navigation", "Pages", _EVERY, '[data-testid="stHeader"]'),
    Control("head", "Title and choices", (*_PLACES, *_LESSONS, "train"), ".st-key-head"),
    Control("tools", "Tools of the map", ("map",), ".map-tools"),
    Control("legend", "Legend", ("map",), ".map-legend"),
    Control("picture", "Enlarged picture", ("map",), ".live-picture"),
    Control("frames", "Film strips", ("interpolate", "concepts"), setting="live-strip"),
    Control("curves", "Rows and curves below", ("interpolate",), setting="live-tracks"),
    Control("formula", "Formula", _LESSONS, ".st-key-formula"),
    Control("try", "What to try", _LESSONS, ".st-key-try"),
)
TABLE = (
    Parameter(
        "hide", ("every page",), "names of controls with commas between, see below", "none",
        "what is taken away, for slides and frames", pushed=False,
    ),
    Parameter("model", ("every page",), "name of a model", "the first model", "the model"),
    Parameter("images", ("map",), "held-out or all", "held-out", "whether train images are shown"),
    Parameter(
        "projection", ("map",), "latent, pca or tsne", "depends on the model", "the map's plane",
        old={"Latent axes": "latent", "PCA plane": "pca", "t-SNE": "tsne"},
    ),
    Parameter("x-axis", ("map",), "z1, z2, …", "the most informative", "the latent axis across"),
    Parameter("y-axis", ("map",), "z1, z2, …", "the next", "the latent axis upwards"),
    Parameter(
        "colour", ("map",), "class, attribute:NAME, kl, elbo or none", "class, where there is one",
        "what points are coloured by",
        old={"Class": "class", "KL (nats)": "kl", "ELBO (nats)": "elbo", "One colour": "none"},
    ),
    Parameter(
        "keep", ("map",), "mean, pinned or likely", "depends on the model",
        "where the dimensions come from that a plane does not show",
        old={"Mean code": "mean", "As in the last pin": "pinned"},
    ),
    Parameter(
        "regions", ("map",), "true or false", "false",
        "whether the plane is coloured by what the classifier sees", pushed=False,
    ),
    Parameter(
        "beside", ("map",), "name of a model of the same images", "none",
        "the model that is shown beside it",
    ),
    Parameter(
        "own", _PLACES, "short id of what the data folder keeps", "none",
        "concepts that the visitor made",
    ),
    Parameter("pins", _PLACES, f"each {_PLACE}; dots between", "none", "the pins, in order"),
    Parameter("group-a", _PLACES, "ids of images with dots between", "none", "group A"),
    Parameter("group-b", _PLACES, "ids of images with dots between", "none", "group B"),
    Parameter(
        "walk", ("interpolate",), "path, corners or traversals", "path", "what is interpolated",
        old={"Path": "path", "Four corners": "corners", "Traversals": "traversals"},
    ),
    *(
        Parameter(name, ("interpolate",), _PLACE, "some images", f"the picture {name.upper()}")
        for name in "abcd"
    ),
    Parameter(
        "at", ("interpolate", "learn_autoencoder", "learn_codes"), "numbers with commas between",
        "the middle, or the mean", "where the sliders or the pointer stand", pushed=False,
    ),
    Parameter(
        "way", ("interpolate",), "lerp, slerp, learned or shortest", "depends on the model",
        "the path's form",
        old={"Straight line": "lerp", "Arc": "slerp", "Learned distribution": "learned"},
    ),
    Parameter(
        "level", ("interpolate", "learn_codes"), "0.2 to 1", "0.4",
        "how far back to noise a learned path goes", pushed=False,
    ),
    Parameter("frames", ("interpolate",), "number", "9", "pictures of a path", pushed=False),
    Parameter(
        "overshoot", ("interpolate",), "true or false", "false", "whether the path goes on"
    ),
    Parameter(
        "corners", ("interpolate",), "pictures or analogy", "pictures", "what the corners are",
        old={"Four pictures": "pictures", "A picture and two concepts": "analogy"},
    ),
    Parameter(
        "blend", ("interpolate",), "learned or straight", "depends on the model",
        "how corners are blended and directions are followed",
    ),
    Parameter("side", ("interpolate",), "number", "7", "pictures along a side", pushed=False),
    Parameter("right", ("interpolate",), "name of a concept", "the first", "added to the right"),
    Parameter("down", ("interpolate",), "name of a concept", "the second", "added downwards"),
    Parameter(
        "strength", ("interpolate",), "0 to 2", "1", "of both concepts", pushed=False
    ),
    Parameter(
        "directions", ("interpolate",), "axes, principal or local", "axes", "what is traversed",
        old={"Latent axes": "axes", "Principal directions": "principal"},
    ),
    Parameter("directions-page", ("interpolate",), "number", "1", "page of the directions"),
    Parameter(
        "origin", ("interpolate",), "a or mean", "a", "where traversals start",
        old={"The picture A": "a", "The mean of all codes": "mean"},
    ),
    Parameter("person", ("concepts",), _PLACE, "an image without the concepts", "what is edited"),
    Parameter(
        "concepts", ("concepts",), "names with dots between", "the first ones",
        "which concepts are added",
    ),
    Parameter(
        "strengths", ("concepts",), "numbers with commas between", "1 each",
        "how much of each concept", pushed=False,
    ),
    Parameter(
        "concept-view", ("concepts",), "after, before, dose, grid, map or lessons", "after",
        "what is shown of the edit",
        old={
            "What the edit did": "after", "Is the vector any good?": "before",
            "Dose and response": "dose", "People × strengths": "grid", "On the map": "map",
            "Three lessons": "lessons",
        },
    ),
    Parameter(
        "shelf", ("library",), "datasets, models, runs, import or draw", "datasets",
        "what the library shows",
    ),
    Parameter(
        "upload", ("library",), "id of an upload", "none", "what is about to be imported",
        pushed=False,
    ),
    Parameter(
        "drawings", ("library",), "id of drawings", "none", "drawings that are being collected",
        pushed=False,
    ),
    Parameter("run", ("train",), "name of a run", "the latest", "the run"),
    Parameter(
        "epoch", ("train",), "number", "the last", "the epoch that is replayed", pushed=False
    ),
    Parameter(
        "answers", (*_LESSONS, "learn_conclusion"), "shown", "a question comes first",
        "shows what a lesson asks its visitor to predict", pushed=False,
    ),
    Parameter("image", _LESSONS[:-1], "number", "depends on the lesson", "row of the image"),
    Parameter("seed", _LESSONS, "0 to 9999", "0", "of all random numbers", pushed=False),
    Parameter(
        "from", ("learn_autoencoder", "learn_amortised", "learn_codes"),
        "number; draw, upload or real", "depends on the lesson",
        "where the walk starts, or where the image comes from",
        old={"Draw": "draw", "Upload": "upload", "A real image": "real"},
    ),
    Parameter(
        "to", ("learn_autoencoder", "learn_codes"), "number", "depends on the lesson",
        "where it ends",
    ),
    Parameter(
        "behind", ("learn_autoencoder",), "none, distance or confidence", "distance",
        "what is shown behind the codes",
    ),
    *(
        Parameter(name, ("learn_elbo",), "number", "as the lesson says", about, pushed=False)
        for name, about in (
            ("w", "slope of the linear model"), ("noise", "its noise"), ("x", "its image"),
            ("q-mean", "mean of its q"), ("q-sigma", "standard deviation of its q"),
        )
    ),
    Parameter(
        "q", ("learn_terms",), "four numbers", "the encoder's",
        "mean and standard deviation of q", pushed=False,
    ),
    Parameter(
        "pixel", ("learn_likelihoods",), "column and row", "the worst", "the pixel", pushed=False
    ),
    Parameter(
        "multiply", ("learn_likelihoods",), "bernoulli or gaussian", "bernoulli",
        "whose probabilities are multiplied",
    ),
    Parameter(
        "pixels-so-far", ("learn_likelihoods",), "1 to 784", "784", "how many", pushed=False
    ),
    Parameter(
        "e1", ("learn_reparameterisation",), "number", "1.2", "noise across", pushed=False
    ),
    Parameter(
        "e2", ("learn_reparameterisation",), "number", "-0.8", "noise upwards", pushed=False
    ),
    Parameter(
        "widen", ("learn_reparameterisation",), "1, 2, 4, 8 or 16", "so that q can be seen",
        "how many times q is widened", pushed=False,
    ),
    Parameter(
        "view", ("learn_reparameterisation",), "estimators or detached", "estimators",
        "the comparison",
        old={"Against the score function": "estimators", "What detaching breaks": "detached"},
    ),
    Parameter(
        "steps", ("learn_amortised",), "number", "depends on the model", "of the search",
        pushed=False,
    ),
    Parameter(
        "points", ("learn_plane",), "rings, moons, clusters or spiral", "rings", "what is learned"
    ),
    Parameter("concept", ("learn_arithmetic",), "name", "depends on the model", "the concept"),
    Parameter(
        "stage", ("learn_arithmetic", "learn_codes"), "a stage of the lesson", "the first",
        "the stage",
    ),
    Parameter(
        "dimensions", ("learn_codes",), "number", "all", "how many are counted", pushed=False
    ),
    Parameter(
        "averaged", ("learn_codes",), "1 to 10", "3", "of how many images a mean is", pushed=False
    ),
    Parameter(
        "time", ("learn_codes",), "0 to 1", "0", "how far a draw is from noise to code",
        pushed=False,
    ),
)  # fmt: skip


def as_markdown() -> str:
    """What `docs/links.md` says."""
    lines = [
        "# Links",
        "",
        "The address of a page says what is shown, so a link shows somebody else the same. What",
        "is shown by default is left out. A value that cannot be used is named in a notice; a",
        "number out of range becomes the nearest in range. Values that earlier versions wrote are",
        "still read. What would be longer than 1,500 characters is kept in the data folder, and",
        "the address has `~` and its id.",
        "",
        "| name | pages | values | without it | what it says | Back undoes it |",
        "|---|---|---|---|---|---|",
    ]
    for p in TABLE:
        cells = [f"`{p.name}`", ", ".join(p.pages), p.kind, p.default, p.about]
        lines.append(f"| {' | '.join(cells)} | {'yes' if p.pushed else 'no'} |")
    lines += [
        "",
        "`embed=true` shows the live part of a page alone, for a frame on another page, and",
        "`hide` takes away what it names, in a frame or not. *Share* writes both.",
        "",
        "| name | pages | what it takes away |",
        "|---|---|---|",
    ]
    for c in CONTROLS:
        pages = "every page" if c.pages is _EVERY else ", ".join(c.pages)
        lines.append(f"| `{c.name}` | {pages} | {c.label} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")
