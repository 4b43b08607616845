-- People: accounts, roles, sessions, one-time codes, API tokens; and the audit trail as a chain.
--
-- No secret is stored that could be used from a copy of the database: passwords as argon2id, codes, tokens and session
-- ids as hashes. The one exception is the secret of a second factor, which the server must know to check a code.

-- ---------------------------------------------------------------- organisation
ALTER TABLE organisation ADD COLUMN money_visible boolean NOT NULL DEFAULT true;

-- ---------------------------------------------------------------- accounts
-- An account is never deleted: the audit trail names it.
CREATE TABLE account (
    account_id    int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id            uuid NOT NULL CONSTRAINT account_id_unique UNIQUE,
    email         text NOT NULL CONSTRAINT account_email_unique UNIQUE
                  CONSTRAINT account_email_form CHECK (email = lower(email) AND char_length(email) BETWEEN 3 AND 254),
    name          text NOT NULL CONSTRAINT account_name_form
                  CHECK (char_length(name) BETWEEN 1 AND 120 AND name !~ '[[:cntrl:]]'),
    password_hash text,                      -- PHC string; null until one is chosen, or if sign-in is elsewhere only
    totp_secret   bytea,                     -- second factor: secret, whether it is in use, the last step that was used
    totp_on       boolean NOT NULL DEFAULT false,
    totp_step     bigint NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT hr_now(),
    seen_at       timestamptz,
    disabled_at   timestamptz,
    version       int NOT NULL DEFAULT 1,
    CONSTRAINT account_totp CHECK (NOT totp_on OR totp_secret IS NOT NULL)
);

CREATE TABLE account_role (
    account_id int NOT NULL REFERENCES account,
    role       text NOT NULL CONSTRAINT account_role_known
               CHECK (role IN ('viewer', 'oncall', 'planner', 'admin', 'tenant-viewer')),
    PRIMARY KEY (account_id, role)
);

-- The tenants that a tenant viewer sees.
CREATE TABLE account_tenant (
    account_id int NOT NULL REFERENCES account,
    tenant_id  int NOT NULL REFERENCES tenant,
    PRIMARY KEY (account_id, tenant_id)
);

-- Who an account is at a provider of single sign-on.
CREATE TABLE account_identity (
    issuer     text NOT NULL CHECK (char_length(issuer) <= 500),
    subject    text NOT NULL CHECK (char_length(subject) <= 255),
    account_id int NOT NULL REFERENCES account,
    PRIMARY KEY (issuer, subject)
);

-- ---------------------------------------------------------------- sessions
CREATE TABLE session (
    session_hash bytea PRIMARY KEY,          -- of the id in the cookie
    id           uuid NOT NULL CONSTRAINT session_id_unique UNIQUE, -- names it on pages, opens nothing
    account_id   int REFERENCES account,     -- null before sign-in
    data         jsonb NOT NULL,
    address      text NOT NULL DEFAULT '',
    agent        text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT hr_now(),
    seen_at      timestamptz NOT NULL DEFAULT hr_now(),
    expires_at   timestamptz NOT NULL        -- moves with use, at most to created_at plus the absolute limit
);
CREATE INDEX session_by_account ON session (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX session_by_end ON session (expires_at);

-- Attempts to sign in that failed, for the throttle. Kept for a day.
CREATE TABLE sign_in_failure (
    about text NOT NULL,                     -- hash of an e-mail, or an address
    at    timestamptz NOT NULL DEFAULT hr_now()
);
CREATE INDEX sign_in_failure_recent ON sign_in_failure (about, at);
CREATE INDEX sign_in_failure_by_time ON sign_in_failure (at);

-- Codes that a person types once: for the first administrator, and for a new password.
CREATE TABLE one_time_code (
    code_hash  bytea PRIMARY KEY,
    purpose    text NOT NULL CHECK (purpose IN ('setup', 'password')),
    account_id int REFERENCES account,
    created_at timestamptz NOT NULL DEFAULT hr_now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT one_time_code_subject CHECK ((purpose = 'setup') = (account_id IS NULL))
);
CREATE INDEX one_time_code_by_account ON one_time_code (account_id);

-- ---------------------------------------------------------------- tokens
CREATE TABLE api_token (
    token_id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         uuid NOT NULL CONSTRAINT api_token_id_unique UNIQUE,
    name       text NOT NULL CONSTRAINT api_token_name_form
               CHECK (char_length(name) BETWEEN 1 AND 120 AND name !~ '[[:cntrl:]]'),
    prefix     text NOT NULL,                -- its first characters, to recognise it
    token_hash bytea NOT NULL CONSTRAINT api_token_hash_unique UNIQUE,
    scopes     text[] NOT NULL CONSTRAINT api_token_scopes_known
               CHECK (cardinality(scopes) > 0
                      AND scopes <@ ARRAY['read', 'ingest', 'allocate', 'plan', 'alert', 'admin']),
    made_by    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT hr_now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    used_at    timestamptz,
    used_agent text NOT NULL DEFAULT ''
);
CREATE TABLE api_token_pool (
    token_id int NOT NULL REFERENCES api_token,
    pool_id  int NOT NULL REFERENCES pool,
    PRIMARY KEY (token_id, pool_id)
);
CREATE TABLE api_token_tenant (
    token_id  int NOT NULL REFERENCES api_token,
    tenant_id int NOT NULL REFERENCES tenant,
    PRIMARY KEY (token_id, tenant_id)
);

-- ---------------------------------------------------------------- audit
-- Each entry carries a hash over itself and the entry before it, and the head says how many there are and where the chain
-- ends: an entry that was altered, left out or cut off the end is found. Entries from before this have no hash.
ALTER TABLE audit ADD COLUMN object_id uuid;
ALTER TABLE audit ADD COLUMN address text NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN entry_hash bytea;
CREATE INDEX audit_by_object_id ON audit (object, object_id, audit_id DESC) WHERE object_id IS NOT NULL;
CREATE INDEX audit_by_actor ON audit (actor, audit_id DESC);

CREATE TABLE audit_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    entries  bigint NOT NULL DEFAULT 0,
    hash     bytea NOT NULL DEFAULT ''
);
INSERT INTO audit_head DEFAULT VALUES;
