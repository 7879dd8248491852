"""For teachers: what each step of the lecture is for, plans, and questions with their answers."""

import streamlit as st

from pages.ui.learn import layout
from pages.ui.learn.contents import STEPS
from pages.ui.learn.texts import lesson

text = lesson("teachers")
st.title(text("title"), anchor=False)
st.markdown(text("intro"))
for column, plan in zip(st.columns(2, gap="medium"), ("ten", "forty"), strict=True):
    with column, st.container(border=True):
        lines = "".join(f"\n- {line}" for line in text.all(f"plan.{plan}"))
        st.markdown(f"**{text(f'plans.{plan}')}**\n{lines}")
for number, step in enumerate(STEPS, 1):
    with st.container(border=True):
        left, right = st.columns([2, 5], gap="medium")
        with left:
            icon = f":material/{step.icon}:"
            st.page_link(step.file, label=f"{number} · {step.title}", icon=icon)
            st.page_link(
                step.file,
                label=text("open"),
                icon=":material/visibility:",
                query_params={"answers": "shown"},
            )
        with right:
            st.markdown(f"**{text('objective')}** {text(f'objectives.{step.name}')}")
            st.markdown(f"**{text('ask')}** {text(f'questions.{step.name}')}")
            with layout.details(text("answer")):
                st.markdown(text(f"answers.{step.name}"))
st.caption(text("slides"))
