# syntax=docker/dockerfile:1
# One image for every process of Reading Room: serve, worker, embedder, migrate.

FROM python:3.13-slim-trixie AS build

# An index with CPU builds of torch makes the image some 4 GB smaller: --build-arg EXTRA_INDEX_URL=…
ARG EXTRA_INDEX_URL=""

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/readingroom
COPY requirements.lock .
RUN /opt/readingroom/bin/pip install ${EXTRA_INDEX_URL:+--extra-index-url "$EXTRA_INDEX_URL"} -r requirements.lock

COPY LICENSE README.md pyproject.toml ./
COPY tools/relocate.py tools/
COPY domain domain
COPY application application
COPY adapters adapters
COPY entrypoints entrypoints
COPY alembic alembic
RUN python -m pip wheel --no-deps --wheel-dir /dist . \
    && /opt/readingroom/bin/pip install --no-deps /dist/*.whl

FROM python:3.13-slim-trixie

LABEL org.opencontainers.image.title="Reading Room" \
      org.opencontainers.image.licenses="Apache-2.0"

RUN groupadd --gid 10001 readingroom \
    && useradd --uid 10001 --gid readingroom --create-home --shell /usr/sbin/nologin readingroom \
    && install --directory --owner readingroom --group readingroom /var/lib/readingroom /srv/readingroom/files
COPY --from=build /opt/readingroom /opt/readingroom

ENV PATH=/opt/readingroom/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    READINGROOM_HOST=0.0.0.0 \
    READINGROOM_PORT=8000 \
    READINGROOM_DATA_DIR=/var/lib/readingroom \
    READINGROOM_LOG_FORMAT=json

USER 10001:10001
WORKDIR /var/lib/readingroom
VOLUME ["/var/lib/readingroom"]
EXPOSE 8000
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]

ENTRYPOINT ["readingroom"]
CMD ["serve"]
