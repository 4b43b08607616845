-- A new password, being disabled and being signed out everywhere end every session at once: each raises the account's epoch,
-- and a session that was begun under an earlier one is over, also where a sign-in or a request was under way meanwhile.
ALTER TABLE account ADD COLUMN epoch int NOT NULL DEFAULT 0;
