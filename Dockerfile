FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Optional packages are the ones that BetterAuth can use and Gatehouse does not (drizzle-kit with its esbuild, react).
# None of what is left has an install script.
RUN --mount=type=cache,target=/root/.npm \
  npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

# Makes the secrets that docker-compose.yml needs; no part of the gateway's image.
FROM node:24-bookworm-slim AS secrets
COPY docker/make-secrets.sh /usr/local/bin/make-secrets
ENTRYPOINT []
CMD ["sh", "/usr/local/bin/make-secrets"]

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 ADMIN_HOST=0.0.0.0 DATA_DIR=/data
WORKDIR /app
RUN install -d -o node -g node -m 0700 /data \
  && printf '#!/bin/sh\nexec node --max-semi-space-size=16 /app/src/gatehouse.js "$@"\n' > /usr/local/bin/gatehouse \
  && chmod 0755 /usr/local/bin/gatehouse
COPY --from=packages /app/node_modules node_modules
COPY package.json LICENSE gatehouse.config.ts ./
COPY db db
COPY auth auth
COPY proxy proxy
COPY src src
# The compiled code of what a start loads, kept beside it: half of a start's work, and what strips types is not loaded.
RUN node src/gatehouse.js --help > /dev/null \
  && node --input-type=module -e "await import('./src/module-hooks.js'); for (const part of ['gatehouse.config', 'src/main', 'src/gateway', 'db/drivers/postgres', 'db/drivers/neon']) await import('./' + part + '.ts')" \
  && chmod -R a+rX node_modules/.cache
# A number, so that an orchestrator can see that it is not root. Nothing under /app is this user's to change.
USER 1000:1000
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.ADMIN_PORT || 9090}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# No entry point: `docker run IMAGE` starts the gateway, `docker run IMAGE gatehouse migrate` runs another command.
ENTRYPOINT []
CMD ["gatehouse", "start"]
