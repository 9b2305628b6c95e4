-- The event log: what Telnyx has sent, in the order in which it was stored, and by which it is known again. It is written
-- before a webhook is acknowledged, by one thread, and events only ever at its end; retention deletes the oldest.
-- Times are microseconds since the Unix epoch. Text never holds U+0000.

create table events (
    seq integer primary key,        -- position in commit order; given by the writer, without gaps
    id text not null,               -- Telnyx's id or its stand-in; unique by the writer's dedupe
    source text not null,
    received_at integer not null,
    body blob not null              -- the exact bytes; never parsed by SQL
) strict;

-- The dedupe, and the tombstone that outlives the event. A hash is the first 16 bytes of the SHA-256 of the id (the last
-- 16 where these are taken by another id). New ones stand in `fresh` in order of arrival, and are in memory, too; later
-- they move to `seen`, as one sorted generation after the other, so that no page is written for one hash alone.
create table fresh (
    seq integer primary key,
    hash blob not null
) strict;
create table seen (
    generation integer not null,
    hash blob not null,
    seq integer not null,
    primary key (generation, hash)
) strict, without rowid;
-- Generations that are complete.
create table generations (
    number integer primary key,
    last_seq integer not null,      -- no later event has left `fresh`
    filter blob not null            -- Bloom filter over its hashes: says of most others that they are not there
) strict;

-- How often an event came again.
create table duplicates (
    seq integer primary key,
    count integer not null
) strict;

-- One row that the writer changes to learn whether the disk takes writes again.
create table probes (
    id integer primary key check (id = 1),
    count integer not null
) strict;
insert into probes (id, count) values (1, 0);
