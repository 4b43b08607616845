-- What pools and tenants there are changes seldom and is asked for by every page. A change leaves a row here, in its own
-- transaction: as long as number and newest of these rows stay the same, what a server remembers is still right. Rows do
-- not wait for each other, so two people who edit at the same time do not either.
CREATE TABLE catalog_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT hr_now()
);

CREATE FUNCTION note_catalog_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO catalog_change DEFAULT VALUES;
    RETURN NULL;
END $$;

CREATE TRIGGER pool_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON pool
    FOR EACH STATEMENT EXECUTE FUNCTION note_catalog_change();
CREATE TRIGGER pool_capacity_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON pool_capacity
    FOR EACH STATEMENT EXECUTE FUNCTION note_catalog_change();
CREATE TRIGGER tenant_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON tenant
    FOR EACH STATEMENT EXECUTE FUNCTION note_catalog_change();
CREATE TRIGGER stamp_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON stamp
    FOR EACH STATEMENT EXECUTE FUNCTION note_catalog_change();
