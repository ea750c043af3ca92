# syntax=docker/dockerfile:1
# One image for the command line, the agent and the webhook:  docker build -t bgsafe .
# Python 3.13 on Debian 13; the digest is that of the image index, so it holds for every architecture.
ARG BASE=python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285

FROM ${BASE} AS build
WORKDIR /source
COPY . .
RUN sh deploy/image/install /opt/bgsafe

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bgsafe" \
      org.opencontainers.image.description="Will the next fork() of this Redis be refused, or get it killed?" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/bgsafe/bgsafe" \
      org.opencontainers.image.documentation="https://bgsafe.io/docs" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="python:3.13-slim-trixie"
COPY --from=build /opt/bgsafe /opt/bgsafe
# The root filesystem is read-only where this runs: there is nowhere to write bytecode to.
ENV PATH=/opt/bgsafe/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["bgsafe"]
CMD ["--help"]
