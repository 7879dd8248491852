"""What one would write without this repository: click a point of a chart, see its picture.

`benchmarks/latency.py` starts it with a plain `streamlit run` to compare with.
"""

import sys

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch

from vae import VAE, list_checkpoints, load_checkpoint


@st.cache_resource
def model() -> VAE:
    return load_checkpoint(next(c.folder for c in list_checkpoints() if c.name == sys.argv[1]))


@st.cache_data
def codes() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((5_000, model().latent_dim), np.float32)


@st.fragment
def explore() -> None:
    z = codes()
    figure = go.Figure(go.Scattergl(x=z[:, 0], y=z[:, -1], mode="markers"))
    event = st.plotly_chart(figure, on_select="rerun", key="map")
    for point in event.selection.points[:1]:
        with torch.inference_mode():
            mean = model().decoder(torch.from_numpy(z[point["point_index"]])[None]).mean[0]
        st.image(mean.permute(1, 2, 0).squeeze(-1).numpy(), width=256)


explore()
