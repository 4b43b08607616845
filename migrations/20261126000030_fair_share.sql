-- How fast a tenant's use is forgotten when tenants are compared by what they used lately.

-- Hours in which the usage that counts against a tenant falls to half; usage is sampled by the UTC day.
ALTER TABLE organisation
    ADD COLUMN half_life_hours int NOT NULL DEFAULT 168
        CONSTRAINT organisation_half_life_range CHECK (half_life_hours BETWEEN 24 AND 8760);
