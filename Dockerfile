# syntax=docker/dockerfile:1
# One image per binary: docker build --target harvester -t shitpost-alpha/harvester .
# Targets: harvester analyzer pricer projector lake dashboards (static, no shell), lakesql (Debian:
# DuckDB needs the C library), alpha (Debian with Postgres, which alpha starts itself where no
# DATABASE_URL is given) and, without a target, services (all the static ones). All run as an
# ordinary user.
# This file has been checked by a test against the commands it builds, but no image was ever built
# from it where it was written: there is no container engine there.

FROM golang:1.26-bookworm AS source
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .

FROM source AS static-build
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/go/build-cache \
    CGO_ENABLED=0 go build -buildvcs=auto -trimpath -ldflags="-s -w" -o /out/ \
    ./producers/cmd/harvester ./producers/cmd/analyzer ./producers/cmd/pricer \
    ./projectors/cmd/projector ./lake/cmd/lake ./dashboards/cmd/dashboards && \
    CGO_ENABLED=0 go build -buildvcs=auto -trimpath -ldflags="-s -w" -o /out/alpha .
# A new named volume takes over the owner of the folder it covers, so that these may be written to.
RUN mkdir -p /out/grafana /out/iam

FROM source AS cgo-build
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/go/build-cache \
    CGO_ENABLED=1 go build -buildvcs=auto -trimpath -ldflags="-s -w" -o /out/ ./lake/cmd/lakesql

# Certificates, time zones and user 65532; nothing else.
FROM gcr.io/distroless/static-debian12:nonroot AS static

FROM static AS harvester
COPY --from=static-build /out/harvester /usr/local/bin/harvester
ENTRYPOINT ["harvester"]

FROM static AS analyzer
COPY --from=static-build /out/analyzer /usr/local/bin/analyzer
ENTRYPOINT ["analyzer"]

FROM static AS pricer
COPY --from=static-build /out/pricer /usr/local/bin/pricer
ENTRYPOINT ["pricer"]

FROM static AS projector
COPY --from=static-build /out/projector /usr/local/bin/projector
ENTRYPOINT ["projector"]

FROM static AS lake
COPY --from=static-build /out/lake /usr/local/bin/lake
COPY --from=static-build --chown=65532:65532 /out/iam /iam
ENTRYPOINT ["lake"]

FROM static AS dashboards
COPY --from=static-build /out/dashboards /usr/local/bin/dashboards
COPY --from=static-build --chown=65532:65532 /out/grafana /grafana
ENTRYPOINT ["dashboards"]

FROM debian:bookworm-slim AS debian
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates tzdata libstdc++6 && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --uid 65532 --create-home nonroot
WORKDIR /home/nonroot

FROM debian AS lakesql
COPY --from=cgo-build /out/lakesql /usr/local/bin/lakesql
USER nonroot
ENTRYPOINT ["lakesql"]

# Everything in one container: the lake and the read model live below /data unless LAKE_URL and
# DATABASE_URL say otherwise.
FROM debian AS alpha
RUN apt-get update && \
    apt-get install -y --no-install-recommends postgresql-common && \
    sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf && \
    apt-get install -y --no-install-recommends postgresql-15 && \
    rm -rf /var/lib/apt/lists/* && \
    install -d -o nonroot -g nonroot /data
COPY --from=static-build /out/alpha /usr/local/bin/alpha
USER nonroot
# The default folders of the lake and of Postgres are below ./data.
WORKDIR /
VOLUME /data
ENTRYPOINT ["alpha"]

# All static binaries in one image, the last stage, which is what a builder takes that cannot be told
# a target (Railway); the start command names the binary.
FROM static AS services
COPY --from=static-build /out/harvester /out/analyzer /out/pricer /out/projector /out/lake /out/dashboards /out/alpha /usr/local/bin/
CMD ["alpha", "--help"]
