-- A source of samples belongs to the token that sent under its name first, while that token works: nobody else uses up its
-- numbers. Null where no token sent yet.
ALTER TABLE ingest_source ADD COLUMN token_id int REFERENCES api_token;
