# The app as an image: docker build -t latent-space-explorer .   (docs/deploy.md)
FROM python:3.12-slim AS build
# Whether torch comes for CPUs alone, which is smaller by gigabytes, or with CUDA: --build-arg TORCH=cuda
ARG TORCH=cpu
RUN pip install --no-cache-dir uv && uv venv /venv
WORKDIR /build
COPY requirements.txt requirements-onnx.txt requirements.lock ./
RUN uv pip install --python /venv/bin/python --constraint requirements.lock --compile-bytecode \
        $(if [ "$TORCH" = cpu ]; then echo --torch-backend cpu; fi) \
        -r requirements.txt -r requirements-onnx.txt

FROM python:3.12-slim
# 1000 is the user that Hugging Face gives its Spaces.
RUN useradd --uid 1000 --create-home explorer && mkdir /data && chown explorer /data
COPY --from=build /venv /venv
WORKDIR /app
COPY .streamlit .streamlit
COPY app.py ./
COPY checkpoints checkpoints
COPY vae vae
COPY pages pages
RUN python -m compileall -q app.py vae pages
USER explorer
ENV PATH=/venv/bin:$PATH LATENT_DATA=/data PORT=8501 OMP_NUM_THREADS=1 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
VOLUME /data
EXPOSE 8501
# Under a path prefix, STREAMLIT_SERVER_BASE_URL_PATH holds it.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import os, urllib.request as u; \
base = os.environ.get('STREAMLIT_SERVER_BASE_URL_PATH', '').strip('/'); \
u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/{base and base + \"/\"}_stcore/health', timeout=4)"]
CMD ["sh", "-c", "exec uvicorn app:app --host 0.0.0.0 --port $PORT"]
