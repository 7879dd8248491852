"""Latent Space Explorer: `streamlit run app.py`, or `uvicorn app:app` for many visitors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

from pages.ui.routes import live_routes, warm


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Opens the first model before the first visitor comes, and the others meanwhile."""
    warm()
    yield


app = st.App(
    "pages/router.py",
    routes=live_routes(st.get_option("server.baseUrlPath")),
    lifespan=lifespan,
)
