-- Who acted is known by id: several people may have the same name.
--
-- The id of an account or an API token; null for the command line and jobs, and in entries from before this. It is part of an
-- entry's hash where there is one.
ALTER TABLE audit ADD COLUMN actor_id uuid;
CREATE INDEX audit_by_actor_id ON audit (actor_id, audit_id DESC) WHERE actor_id IS NOT NULL;
