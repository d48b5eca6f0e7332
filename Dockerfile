# One image per part: docker build --target api|server|superlink|client (scripts/images_build.sh builds
# all). Nothing runs as root, nothing writes outside /var/lib/fedloom and /tmp, and all Python packages
# are pinned by constraints.txt.
#
# Name a digest here for a build that cannot change: --build-arg PYTHON_IMAGE=python@sha256:…
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

# --- what is installed, made once for all parts -----------------------------------------------------
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=/src/constraints.txt
WORKDIR /src
RUN python -m venv /opt/fedloom
# First what Fedloom needs, with a package that is empty but for its version: this layer stays as it is
# until pyproject.toml or constraints.txt change.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src/fedloom/_version.py src/fedloom/_version.py
RUN --mount=type=cache,target=/root/.cache/pip /opt/fedloom/bin/pip install .
COPY src src
RUN /opt/fedloom/bin/pip install --no-deps --no-cache-dir --force-reinstall .

# --- what all parts have in common ------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS base
# tini ends what the parts started and left behind. Debian removes old versions from its mirrors, so a
# pinned one would make the image impossible to build after some months.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 fedloom \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/fedloom fedloom \
    && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/fedloom
COPY --from=build /opt/fedloom /opt/fedloom
ENV PATH=/opt/fedloom/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FLWR_TELEMETRY_ENABLED=0 \
    FLWR_DISABLE_UPDATE_CHECK=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    HOME=/var/lib/fedloom \
    FEDLOOM_DIR=/var/lib/fedloom
WORKDIR /var/lib/fedloom
USER 10001:10001
VOLUME /var/lib/fedloom
ENTRYPOINT ["tini", "--"]

# --- the parts --------------------------------------------------------------------------------------
# API and page.
FROM base AS api
ENV FEDLOOM_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python", "-c", "import os, ssl, urllib.request as u; t = os.environ.get('FEDLOOM_TLS_CERTIFICATE'); u.urlopen(('https' if t else 'http') + '://127.0.0.1:8000/health', timeout=4, context=ssl._create_unverified_context() if t else None)"]
CMD ["fedloom", "api"]

# Coordinator with depot and gateway; starts a SuperLink of its own unless FEDLOOM_SUPERLINKS names one.
FROM base AS server
ENV FEDLOOM_GATEWAY_HOST=0.0.0.0 \
    FEDLOOM_HEALTH_PORT=9093
EXPOSE 9092
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9093/ready', timeout=4)"]
CMD ["fedloom", "server"]

# Flower's SuperLink, for deployments where it is a container of its own. Its operators' API shares the
# port with that for nodes and asks for no login: only the coordinator may reach 9091.
FROM base AS superlink
EXPOSE 9091
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
    CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 9091), 4).close()"]
CMD ["fedloom", "superlink", "--host", "0.0.0.0", "--port", "9091", "--insecure", \
     "--dir", "/var/lib/fedloom", "--secret", "/run/secrets/superlink_secret"]

# A node. It listens nowhere: its state is on the page and in its log.
FROM base AS client
HEALTHCHECK NONE
CMD ["fedloom", "client", "--config", "/data/node.yaml"]
