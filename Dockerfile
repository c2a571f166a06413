# Gatework's image: `api`, `worker`, `prepare` and the other subcommands.
FROM python:3.13-slim-bookworm AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.9 && uv venv /opt/gatework
WORKDIR /build
COPY . .
# What the project itself needs, at the pinned versions and hashes; test tools stay out.
RUN uv pip install --python /opt/gatework/bin/python --constraint requirements.lock .

FROM python:3.13-slim-bookworm
COPY --from=build /opt/gatework /opt/gatework
RUN useradd --uid 10001 --create-home gatework \
    && install --directory --owner=gatework --mode=0700 /var/lib/gatework
ENV PATH=/opt/gatework/bin:$PATH PYTHONUNBUFFERED=1 GATEWORK_DATA_DIR=/var/lib/gatework
USER gatework
WORKDIR /var/lib/gatework
VOLUME /var/lib/gatework
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["gatework"]
CMD ["api"]
