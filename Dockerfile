# The gateway as a package, with what it needs at the versions of package-lock.json: dist/installed.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Nothing that is needed here has an install script.
RUN --mount=type=cache,target=/root/.npm \
  npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build && node packaging/image.ts

# Makes the secrets that docker-compose.yml needs; no part of the gateway's image.
FROM node:24-bookworm-slim AS secrets
COPY docker/make-secrets.sh /usr/local/bin/make-secrets
ENTRYPOINT []
CMD ["sh", "/usr/local/bin/make-secrets"]

FROM node:24-bookworm-slim
COPY --from=build /build/dist/installed /opt/gatehouse
RUN install -d -o node -g node -m 0700 /data \
  && printf '#!/bin/sh\nexec node --max-semi-space-size=16 /opt/gatehouse/node_modules/@gatehouse/gateway/src/gatehouse.js "$@"\n' > /usr/local/bin/gatehouse \
  && chmod 0755 /usr/local/bin/gatehouse
# The compiled code of what a start loads, kept beside it: half of a start's work. Node keeps it for each user apart, so the
# user that will run makes it here, and may not change it afterwards.
RUN kept=/opt/gatehouse/node_modules/@gatehouse/gateway/node_modules/.cache && install -d -o node "$kept" \
  && cd "$(mktemp -d)" && echo 'export default { routes: [] }' > gatehouse.config.ts && chmod 0755 . \
  && as_node='setpriv --reuid=1000 --regid=1000 --clear-groups' \
  && $as_node gatehouse routes > /dev/null \
  && $as_node node --input-type=module -e "const at = '/opt/gatehouse/node_modules/@gatehouse/gateway/'; await import(at + 'src/module-hooks.js'); for (const part of ['src/main', 'src/gateway', 'db/drivers/postgres', 'db/drivers/neon']) await import(at + part + '.js')" \
  && rm -rf "$PWD" && chown -R root:root "$kept" && chmod -R a+rX /opt/gatehouse
# The policy is mounted here, as gatehouse.toml or gatehouse.config.ts, with whatever it imports, and nothing is looked at
# elsewhere. There is none in the image: where the mount was forgotten, everything needs a session.
WORKDIR /etc/gatehouse
ENV GATEHOUSE_POLICY_FOLDER=/etc/gatehouse
ENV NODE_ENV=production HOST=0.0.0.0 ADMIN_HOST=0.0.0.0 DATA_DIR=/data
# A number, so that an orchestrator can see that it is not root. Nothing of the image but /data is this user's to change.
USER 1000:1000
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --start-interval=1s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.ADMIN_PORT || 9090}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# No entry point: `docker run IMAGE` starts the gateway, `docker run IMAGE gatehouse migrate` runs another command.
ENTRYPOINT []
CMD ["gatehouse", "start"]
