"""Routes of the app's own, beside Streamlit's."""
