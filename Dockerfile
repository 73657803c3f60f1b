# One image for gateway, ingest, api and the command line.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/klimanetz && /opt/klimanetz/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN /opt/klimanetz/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
COPY --from=build /opt/klimanetz /opt/klimanetz
ENV PATH=/opt/klimanetz/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 klimanetz \
    && install -d -o klimanetz /var/lib/klimanetz /var/lib/klimanetz/registry /var/lib/klimanetz/spool
USER klimanetz
WORKDIR /var/lib/klimanetz
ENTRYPOINT []
CMD ["klimanetz", "--help"]
