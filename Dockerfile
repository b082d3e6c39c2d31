FROM python:3.11-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/venv

# Dependencies change less often than the code: in a layer of their own, they are installed once.
COPY requirements/main.txt requirements/main.txt
RUN /opt/venv/bin/pip install --require-hashes -r requirements/main.txt

COPY pyproject.toml README.md LICENSE ./
COPY ai_detect ai_detect
RUN /opt/venv/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/venv/bin/pip install --no-deps dist/ai_detect-*.whl


FROM python:3.11-slim

# Compiled kernels, fonts and the tracker's scratch files go to /tmp, so that the container runs with a read-only root.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    MPLCONFIGDIR=/tmp/matplotlib \
    WANDB_DIR=/app/data \
    WANDB_CACHE_DIR=/tmp/wandb \
    WANDB_CONFIG_DIR=/tmp/wandb \
    WANDB_DATA_DIR=/tmp/wandb

WORKDIR /app
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin ai_detect \
    && mkdir data model \
    && chown ai_detect: . data model
COPY --from=build /opt/venv /opt/venv
COPY --chown=ai_detect data/README.md data/README.md
COPY --chown=ai_detect data/sample data/sample

USER ai_detect
VOLUME ["/app/data", "/app/model"]
ENTRYPOINT ["ai_detect"]
CMD ["--help"]
