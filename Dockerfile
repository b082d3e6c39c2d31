# The image of the service, which trains and predicts too; docs/containers.md says how to run it, and why it is made so.
FROM python:3.11-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1
WORKDIR /src

# For `strip`; nothing of it comes into the image, so any version does.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*

# Dependencies change less often than the code: in a layer of their own, they are installed once.
COPY requirements/serve.txt requirements/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes -r requirements/serve.txt

COPY pyproject.toml README.md LICENSE NOTICE ./
COPY ai_detect ai_detect
RUN /opt/venv/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/venv/bin/pip install --no-deps dist/*.whl

COPY deploy/container/slim.sh ./
RUN sh slim.sh /opt/venv
COPY deploy/container/sitecustomize.py /opt/venv/lib/python3.11/site-packages/

# Each command runs once: kernels are compiled, and Python keeps the byte code of just the modules that are in use.
COPY data/sample sample
RUN /opt/venv/bin/ai_detect warmup \
    && /opt/venv/bin/ai_detect train --dataset=sample/train.csv \
    && /opt/venv/bin/ai_detect predict --dataset=sample/test.csv \
    && /opt/venv/bin/ai_detect evaluate --dataset=sample/test.csv \
    && /opt/venv/bin/ai_detect explain --text="A text." --html=page.html \
    && /opt/venv/bin/python -c "import uvicorn, uvloop, httptools, ai_detect.server.app"


FROM python:3.11-slim

ARG REVISION=""
LABEL org.opencontainers.image.title="ai_detect" \
      org.opencontainers.image.description="Tells essays written by language models from essays written by people" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.licenses="MIT AND CC-BY-NC-SA-4.0"

# The root may be read-only: what Matplotlib finds out about fonts goes to /tmp, and so do kernels by themselves.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib

WORKDIR /app
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin ai_detect \
    && mkdir data model \
    && chown ai_detect: . data model
COPY --from=build /opt/venv /opt/venv
COPY --chown=ai_detect data/README.md data/README.md
COPY --chown=ai_detect data/sample data/sample

# By number, so that Kubernetes can tell that it is not root.
USER 10001
VOLUME /app/data
EXPOSE 8000
# A command of the shell, which every engine can run.
# hadolint ignore=DL3025
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"
ENTRYPOINT ["ai_detect"]
CMD ["serve", "--host=0.0.0.0", "--port=8000"]
