-- Letters to people: written with what they tell of, and sent afterwards.
CREATE TABLE letter (
    letter_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  int NOT NULL REFERENCES account,
    key         text NOT NULL CONSTRAINT letter_once UNIQUE CHECK (char_length(key) <= 200), -- one letter about one thing to one person
    subject     text NOT NULL CONSTRAINT letter_subject CHECK (char_length(subject) BETWEEN 1 AND 200 AND subject !~ '[[:cntrl:]]'),
    body        text NOT NULL CONSTRAINT letter_body CHECK (char_length(body) BETWEEN 1 AND 20000),
    created_at  timestamptz NOT NULL DEFAULT hr_now(),
    due_at      timestamptz NOT NULL DEFAULT hr_now(),
    lease_until timestamptz,
    attempts    int NOT NULL DEFAULT 0,
    state       text NOT NULL DEFAULT 'waiting' CONSTRAINT letter_state CHECK (state IN ('waiting', 'sent', 'dead')),
    ended_at    timestamptz,
    last_error  text,
    CONSTRAINT letter_ended CHECK ((state = 'waiting') = (ended_at IS NULL))
);
CREATE INDEX letter_waiting ON letter (due_at) WHERE state = 'waiting';
CREATE INDEX letter_ended_at ON letter (ended_at) WHERE state <> 'waiting';

-- Whether somebody wants letters about plans; codes and alerts have their own ways.
ALTER TABLE account ADD COLUMN plan_letters boolean NOT NULL DEFAULT true;
