# The image of the daemon. `docker build -t torpor .` builds it; docs/containers.md says how to run it.
# Where no image registry can be reached, docker/base-image builds a stand-in for the base under the same name.
ARG NODE_IMAGE=node:26-bookworm-slim

FROM ${NODE_IMAGE} AS manifest
WORKDIR /app
COPY package.json package-lock.json .npmrc ./

FROM manifest AS build
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build.ts scripts/
COPY bin bin
COPY src src
RUN npm run build

# The image has a Node of its own: npm's copies of the binary go.
FROM manifest AS dependencies
RUN npm ci --omit=dev --no-audit --no-fund && rm -rf node_modules/node-linux-* node_modules/node-darwin-* node_modules/.bin
# The bill of materials says what is here. npm would leave out what a development package needs as well.
RUN npm pkg delete devDependencies optionalDependencies \
    && npm sbom --sbom-format=cyclonedx --sbom-type=application > sbom.cdx.json

FROM ${NODE_IMAGE}
ARG NODE_IMAGE
LABEL org.opencontainers.image.title="torpor" \
      org.opencontainers.image.description="A virtual discrete GPU whose power you can cut, over gRPC and REST." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.vendor="torpor" \
      org.opencontainers.image.base.name=${NODE_IMAGE} \
      org.opencontainers.image.version="0.1.0"
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=dependencies /app/sbom.cdx.json ./
COPY --from=build /app/dist dist
COPY bin bin
COPY package.json LICENSE ./

# A named volume that is mounted for the first time takes contents and owner from here, so that nobody has to chown it.
# Images may have a volume of their own, apart from swap.
RUN install -d -o 1000 -g 1000 -m 0700 /var/lib/torpor /var/lib/torpor/images

# Inside a container, loopback would reach nobody. The daemon refuses to listen here without tokens, TLS client
# certificates or --insecure-listen, and this image does not make that choice for you.
ENV NODE_ENV=production \
    PATH=/app/bin:$PATH \
    TORPOR_HTTP=0.0.0.0:8585 \
    TORPOR_GRPC=0.0.0.0:8586
EXPOSE 8585 8586

# Without --data-dir the daemon writes no file, and with it only there, so the root file system may be read-only. The user
# is a number, so that an orchestrator can see that it is not root.
USER 1000:1000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "dist/server/main.js", "healthcheck"]

# `--build-arg REVISION=$(git rev-parse HEAD)`; empty is as good as unset. Last, because each commit changes it. CREATED is
# a time of RFC 3339, SOURCE the address of the repository.
ARG REVISION=
ARG CREATED=
ARG SOURCE=
LABEL org.opencontainers.image.revision=${REVISION} \
      org.opencontainers.image.created=${CREATED} \
      org.opencontainers.image.source=${SOURCE}
ENV TORPOR_REVISION=${REVISION}

# Node is process 1 and gets SIGTERM itself: no shell in between.
ENTRYPOINT ["node", "dist/server/main.js"]
