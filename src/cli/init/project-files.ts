import { basename } from 'node:path'
import type { ExistingProject } from './existing-project.ts'

/** The variables that a deployment sets, each switched off and without a value that is a secret. */
export function variablesExample(): string {
  return `# What a deployment sets. Copy this file to .env, which belongs in no repository. Nothing has to be set for a first try.
# docs/configuration.md of Gatehouse has every variable.

# The public origin, as browsers see it: https in production. Default: http://localhost: and the port.
#BETTER_AUTH_URL=https://app.example.com

# Whatever terminates TLS in front of the gateway: addresses, CIDRs, loopback, private.
#TRUSTED_PROXIES=private

# At least 32 random characters (openssl rand -base64 32). Default: made once, and kept.
#BETTER_AUTH_SECRET=

# The same random text for the gateway and the app, by which the app knows what came through the gateway.
#UPSTREAM_TOKEN=

# --- Without compose.gatehouse.yaml ---

# postgres://user:password@host:port/database. Default: an embedded PostgreSQL in .data.
#DATABASE_URL=

# Where the app is.
#UPSTREAM_URL=http://127.0.0.1:8000

# --- With compose.gatehouse.yaml: names of their own, because the app may have a DATABASE_URL and a PORT as well ---

# Where the gateway is published on this machine.
#GATEHOUSE_PORT=8080

# Another database than the one that compose.gatehouse.yaml starts; the second where the first goes through a pooler.
#GATEHOUSE_DATABASE_URL=
#GATEHOUSE_DATABASE_URL_UNPOOLED=
`
}

/** A compose file with the gateway in front of the app. `policyFile`: where the policy file is, from this one. */
export function composeFile(project: ExistingProject, policyFile: string, version: string): string {
  const { composeFile: beside, service } = project
  const mounted = `/etc/gatehouse/${basename(policyFile)}`
  const files = beside === undefined ? '-f compose.gatehouse.yaml' : `-f ${beside} -f compose.gatehouse.yaml`
  const app =
    beside === undefined
      ? `  # Your app. It listens on port 8000 on all addresses, and only the gateway reaches it. What calls other services needs
  # gatehouse-outside as well.
  ${service}:
    build: .
    restart: unless-stopped
    networks: [gatehouse-app]`
      : `  # Your app, of which ${beside} says the rest. It listens on port 8000 on all addresses. What it publishes on this machine
  # is taken back. Who can log in here can still connect to it by its address: fastapi_gatehouse refuses what comes without
  # UPSTREAM_TOKEN.
  ${service}:
    ports: !reset []
    networks: [default, gatehouse-app]`
  return `# Gatehouse in front of this project's app:
#
#   docker compose ${files} up --build --wait
#
# The image is made once, in a checkout of Gatehouse: docker build -t gatehouse:${version} .
# Needs Compose 2.24 and Docker Engine 25, or newer. A file named .env is optional; .env.example says what can be in it.

x-gatehouse: &gatehouse
  image: gatehouse:${version}
  # It is on this machine. A registry may have one of the same name, which is somebody else's.
  pull_policy: never
  init: true
  read_only: true
  tmpfs: [/tmp]
  cap_drop: [ALL]
  security_opt: [no-new-privileges:true]
  volumes:
    - gatehouse-secrets:/run/gatehouse:ro
    - type: bind
      source: ${scalar(`./${policyFile}`)}
      target: ${scalar(mounted)}
      read_only: true
      bind: { create_host_path: false }
  # A secret comes from .env if it is set there, and otherwise from the file that gatehouse-secrets made. Naming both is an
  # error, so the prefix NOT_ takes the file's variable out of the way. What the policy reads from the environment, such as a
  # provider's secret, is added here by its name alone.
  environment:
    - ${scalar(`GATEHOUSE_CONFIG=${mounted}`)}
    - UPSTREAM_URL=http://${service}:8000
    - BETTER_AUTH_URL=\${BETTER_AUTH_URL:-http://localhost:\${GATEHOUSE_PORT:-8080}}
    - TRUSTED_PROXIES=\${TRUSTED_PROXIES:-}
    - BETTER_AUTH_SECRET=\${BETTER_AUTH_SECRET:-}
    - \${BETTER_AUTH_SECRET:+NOT_}BETTER_AUTH_SECRET_FILE=/run/gatehouse/better-auth-secret
    - UPSTREAM_TOKEN=\${UPSTREAM_TOKEN:-}
    - \${UPSTREAM_TOKEN:+NOT_}UPSTREAM_TOKEN_FILE=/run/gatehouse/upstream-token
    - DATABASE_URL=\${GATEHOUSE_DATABASE_URL:-}
    - \${GATEHOUSE_DATABASE_URL:+NOT_}DATABASE_URL_FILE=/run/gatehouse/database-url
    - DATABASE_URL_UNPOOLED=\${GATEHOUSE_DATABASE_URL_UNPOOLED:-}

services:
  # The only port that is published, on loopback: put what terminates TLS in front of it.
  gatehouse:
    <<: *gatehouse
    command: [gatehouse, start]
    restart: unless-stopped
    # Longer than DRAIN_DELAY and DRAIN_TIMEOUT together, or requests in flight are cut off.
    stop_grace_period: 30s
    ports: ['127.0.0.1:\${GATEHOUSE_PORT:-8080}:8080']
    networks: [gatehouse-outside, gatehouse-app, gatehouse-data]
    depends_on:
      gatehouse-migrate: { condition: service_completed_successfully }
      ${service}: { condition: service_started }

  # Applies what the database lacks, and ends.
  gatehouse-migrate:
    <<: *gatehouse
    command: [gatehouse, migrate]
    restart: 'no'
    networks: [gatehouse-outside, gatehouse-data]
    depends_on:
      gatehouse-secrets: { condition: service_completed_successfully }
      gatehouse-postgres: { condition: service_healthy, required: false }

${app}
    volumes: [gatehouse-app-secrets:/run/gatehouse:ro]
    environment:
      # uvicorn is to believe the gateway's X-Forwarded-Proto and X-Forwarded-For, whose address is not known beforehand.
      - FORWARDED_ALLOW_IPS=*
      - UPSTREAM_TOKEN=\${UPSTREAM_TOKEN:-}
      - \${UPSTREAM_TOKEN:+NOT_}UPSTREAM_TOKEN_FILE=/run/gatehouse/upstream-token
    depends_on:
      gatehouse-secrets: { condition: service_completed_successfully }

  gatehouse-postgres:
    image: postgres:17
    # Started unless GATEHOUSE_DATABASE_URL names another database.
    profiles: ['\${GATEHOUSE_DATABASE_URL:+off}']
    user: '999:999'
    restart: unless-stopped
    read_only: true
    cap_drop: [ALL]
    security_opt: [no-new-privileges:true]
    stop_grace_period: 30s
    shm_size: 128m
    tmpfs: [/tmp, '/var/run/postgresql:uid=999,gid=999,mode=0775']
    networks: [gatehouse-data]
    volumes: [gatehouse-postgres:/var/lib/postgresql/data, gatehouse-postgres-secrets:/run/gatehouse:ro]
    environment:
      POSTGRES_USER: gatehouse
      POSTGRES_DB: gatehouse
      POSTGRES_PASSWORD_FILE: /run/gatehouse/password
    healthcheck:
      test: [CMD, pg_isready, -q, -h, 127.0.0.1, -U, gatehouse, -d, gatehouse]
      interval: 10s
      timeout: 3s
      retries: 5
      start_period: 60s
      start_interval: 1s
    depends_on:
      gatehouse-secrets: { condition: service_completed_successfully }

  # Makes each secret once, in a volume of its reader's, and ends. Root with two capabilities and no network.
  gatehouse-secrets:
    image: gatehouse:${version}
    pull_policy: never
    restart: 'no'
    user: root
    read_only: true
    cap_drop: [ALL]
    cap_add: [CHOWN, DAC_OVERRIDE]
    security_opt: [no-new-privileges:true]
    network_mode: none
    volumes:
      - gatehouse-secrets:/secrets/gateway
      - gatehouse-app-secrets:/secrets/app
      - gatehouse-postgres-secrets:/secrets/postgres
    command:
      - sh
      - -euc
      - |
        umask 077
        random () { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \\n'; }
        # keep FILE OWNER MODE VALUE: written aside, then renamed, so that whoever finds the file finds all of it.
        keep () {
          [ -s "$$1" ] && return 0
          printf '%s\\n' "$$4" > "$$1.new"
          chmod "$$3" "$$1.new"; chown "$$2:$$2" "$$1.new"; mv "$$1.new" "$$1"
        }
        keep /secrets/postgres/password 999 0400 "$$(random)"
        # The app's user is not known here; nothing else has this volume.
        keep /secrets/app/upstream-token 0 0444 "$$(random)"
        keep /secrets/gateway/better-auth-secret 1000 0400 "$$(random)"
        keep /secrets/gateway/upstream-token 1000 0400 "$$(cat /secrets/app/upstream-token)"
        keep /secrets/gateway/database-url 1000 0400 \\
          "postgres://gatehouse:$$(cat /secrets/postgres/password)@gatehouse-postgres:5432/gatehouse"

networks:
  # For the published port, and for what the gateway itself calls, such as a provider of sign-in.
  gatehouse-outside: {}
  # No way out, and no address of this machine in it: whoever can log in here could connect to these containers otherwise.
  gatehouse-app: &closed
    internal: true
    driver: bridge
    driver_opts: { com.docker.network.bridge.inhibit_ipv4: 'true' }
  gatehouse-data: *closed

volumes:
  gatehouse-secrets: {}
  gatehouse-app-secrets: {}
  gatehouse-postgres-secrets: {}
  gatehouse-postgres: {}
`
}

/** The text as a scalar of YAML in which Compose replaces nothing. */
function scalar(text: string): string {
  return /^[\w./=-]+$/.test(text) ? text : JSON.stringify(text.replaceAll('$', '$$$$'))
}

/** A test of the app behind the gateway, which needs no gateway. `app`: `MODULE:APP`. */
export function pythonTest(app: string): string {
  const [module = 'main', names = 'app'] = app.split(':')
  const [first = 'app', ...attributes] = names.split('.')
  const imported = first === 'app' ? `from ${module} import app` : `from ${module} import ${first} as app`
  const lookup = attributes.length === 0 ? '' : `\napp = ${['app', ...attributes].join('.')}`
  return `"""Who this app lets in, tested without a gateway: \`as_user\` stands in for it."""

import pytest
from fastapi.testclient import TestClient
from fastapi_gatehouse import User
from fastapi_gatehouse.testing import as_user

${imported}
${lookup}
ADA = User(id="ada", email="ada@example.com", email_verified=True, name="Ada")

# The pages that need a user by the app's own document, and can be asked for without a value of yours.
PRIVATE = [
    path
    for path, item in app.openapi()["paths"].items()
    if "{" not in path and {"Gatehouse": []} in item.get("get", {}).get("security", [])
]


@pytest.mark.parametrize("path", PRIVATE)
def test_a_stranger_is_refused(path: str) -> None:
    assert TestClient(app).get(path).status_code == 401


@pytest.mark.parametrize("path", PRIVATE)
def test_ada_is_known(path: str) -> None:
    with as_user(app, ADA):
        assert TestClient(app).get(path).status_code != 401
`
}
