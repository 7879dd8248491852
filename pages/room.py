"""The room: the link that everybody opens, questions to all, and drawings of all.

The presenter has all of it; everybody else draws here for the presenter.
"""

import streamlit as st

from pages.ui.room.gathering import show_gathered, show_sending
from pages.ui.room.questions import show_questions
from pages.ui.shared import permissions, problems, share

st.title("Room", anchor=False)
if permissions.for_one_person():
    st.info(
        "This server is for one person. `make present` or `latent-space-explorer --present` "
        "starts one for a room: everybody explores, and you present.",
        icon=":material/groups:",
    )
    problems.end_page()
if not permissions.may_change():
    st.subheader("Draw something for the presenter", anchor=False)
    show_sending()
    problems.end_page()
link = share.room_link()
left, right = st.columns([2, 3], gap="large", vertical_alignment="center")
with left:
    st.image(share.qr_code(link), width="stretch", alt="The room's link as a QR code")
with right:
    st.markdown("**Open this on your phone or computer**")
    st.header(f"`{link}`", anchor=False)
    st.caption(
        "In the same network. Everybody explores for themselves; training, importing and deleting "
        "are yours. Your own link, with the token, stays yours: this one does not have it."
    )
    if share.is_local(link):
        st.info(
            "This address works on this computer only. `make present` serves the network.",
            icon=":material/lan:",
        )
st.subheader("Ask the room", anchor=False)
show_questions()
st.subheader("Drawings of the room", anchor=False)
show_gathered()
