FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/tuike
RUN useradd --system --home-dir /srv/tuike tuike

# Dependencies first: they change less often than the code.
COPY setup.cfg pyproject.toml requirements.lock README.md LICENSE ./
RUN mkdir tuike api workers simulator && touch tuike/__init__.py api/__init__.py workers/__init__.py simulator/__init__.py \
    && pip install -c requirements.lock -e '.[risk]'

COPY tuike tuike
COPY api api
COPY workers workers
COPY simulator simulator
COPY cypher cypher
# Editable, so that the Cypher files stay where the code looks for them.
RUN pip install --no-deps -e .

USER tuike
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", \
     "--blocking-threads", "8", "--no-ws", "--respawn-failed-workers", "api.wsgi:application"]
