-- What is read out of events, the work they cause, and what became of it. The events themselves are in a file of their own
-- (`sqlite-events`), which every connection of this database has attached for reading.
-- Times are microseconds since the Unix epoch. Text never holds U+0000.

create table rejections (
    id integer primary key autoincrement,
    code text not null,
    reason text not null,
    received_at integer not null,
    size_bytes integer not null,
    peer text not null
) strict;

-- --- routing

create table routing (
    id integer primary key check (id = 1),
    routed_seq integer not null     -- every event up to here has its facts, message and jobs
) strict;
insert into routing (id, routed_seq) values (1, 0);

create table event_facts (
    seq integer primary key,
    event_type text,
    message_id text,
    occurred_at text,
    attempt integer,
    delivered_to text,
    unreadable text,                -- why the bytes cannot be read
    source text not null,           -- as in `events`, so that filters need not read bodies
    received_at integer not null
) strict;
-- list events of a type; plan and advance a replay of a type
create index event_facts_type on event_facts (event_type, seq);
-- list events of a message
create index event_facts_message on event_facts (message_id, seq) where message_id is not null;
-- list unreadable events
create index event_facts_unreadable on event_facts (seq) where unreadable is not null;
-- list events of a source other than the usual one
create index event_facts_source on event_facts (source, seq) where source <> 'telnyx';

-- Positions of events that are past their time, until the event log has deleted them.
create table forgotten_events (
    seq integer primary key
) strict;

create table conversations (
    id integer primary key,
    our_number text not null,
    party text not null,
    messages integer not null default 0,
    inbound integer not null default 0,         -- of `messages`; with it a deletion need not count
    unread integer not null default 0,          -- the newest of `inbound`
    last_number integer not null default 0,     -- `messages.number` of the latest message
    last_message_at integer not null,
    last_text text,
    unique (our_number, party)
) strict;
-- list conversations, latest message first
create index conversations_latest on conversations (last_number);

create table messages (
    number integer primary key,     -- the order in which Inlet learned of them
    id text not null unique,
    direction text not null,
    kind text,
    from_number text not null,
    to_number text,                 -- the first recipient
    recipients text not null,       -- JSON
    cc text not null,               -- JSON
    text text,
    status text,
    carrier text,
    line_type text,
    encoding text,
    parts integer,
    messaging_profile_id text,
    conversation_id integer references conversations (id),
    received_at integer not null,
    errors text not null,           -- JSON
    autoresponse_type text,
    unsigned integer not null
) strict;
-- list outbound messages; where most are outbound, a list of inbound ones looks at a bounded number of rows
create index messages_outbound on messages (number) where direction = 'outbound';
-- list messages by sender
create index messages_from on messages (from_number, number);
-- list messages by recipient
create index messages_to on messages (to_number, number);
-- list messages of a conversation; the reply guard's look at our latest texts
create index messages_conversation on messages (conversation_id, number);
-- list messages in a status, but for the two in which most messages end
create index messages_status on messages (status, number) where status not in ('received', 'delivered');
-- list messages of a type, but for the usual one
create index messages_kind on messages (kind, number) where kind <> 'SMS';

create table media (
    message_id text not null references messages (id),
    position integer not null,
    message_number integer not null,    -- `messages.number`
    url text not null,
    content_type text,
    size_bytes integer,
    state text not null,
    sha256 text,                    -- of the archived bytes; before that, as declared
    archived_type text,
    archived_bytes integer,
    archived_at integer,
    primary key (message_id, position)
) strict, without rowid;
-- find an archived attachment by its digest
create index media_archived on media (sha256) where state = 'archived';
-- list messages with attachments
create index media_first on media (message_number) where position = 0;

-- Digests that no attachment has any more; whoever deletes the bytes takes them from here.
create table unused_media (
    sha256 text primary key
) strict, without rowid;

create table own_numbers (
    number text primary key
) strict, without rowid;

create table opt_outs (
    id integer primary key,
    our_number text not null,
    party text not null,
    created_at integer not null,
    evidence text not null,
    unique (our_number, party)
) strict;

-- --- work

create table destinations (
    name text primary key,
    paused_at integer,
    paused_reason text,
    retried_at integer
) strict, without rowid;

create table replays (
    id integer primary key autoincrement,
    destination text not null,
    filter text not null,           -- JSON
    state text not null,
    total integer not null,
    made integer not null default 0,
    position integer not null default 0,    -- events up to here have their jobs
    until_seq integer not null,             -- events after this came later and are not replayed
    created_at integer not null,
    finished_at integer
) strict;
-- find replays that still make jobs
create index replays_running on replays (id) where state = 'running';

create table jobs (
    id integer primary key autoincrement,
    kind text not null,
    lane text not null,
    state text not null,
    event_seq integer,
    event_id text,
    message_id text,                -- the message it answers, fetches media of or hands on
    sent_message_id text,           -- the message it has sent
    conversation_id integer references conversations (id),  -- of a delivery that its destination gets in order
    destination text,
    rule text,
    replay_id integer references replays (id),
    media_position integer,
    send_key text,
    request text,                   -- JSON of the message to send
    from_number text,               -- of `request`, for the reply guard
    to_number text,
    attempts integer not null default 0,            -- tries begun and not given back untried
    schedule_attempts integer not null default 0,   -- the same since made or retried by hand, less the first lost leases
    lost_leases integer not null default 0,         -- since made or retried by hand
    due_at integer not null,
    claim_at integer not null,      -- `due_at`, or never while an earlier job of an ordered conversation blocks it
    lease_until integer,
    fence integer not null default 0,
    sent_at integer,                -- when it last became `sending`
    last_error text,
    created_at integer not null,
    finished_at integer
) strict;
-- claim due jobs of a lane; find when a lane's next job is due, and what is blocked in it
create index jobs_due on jobs (lane, claim_at, id) where state = 'waiting';
-- clear up leases
create index jobs_leased on jobs (lease_until) where state in ('running', 'sending');
-- find the head of an ordered conversation
create index jobs_order on jobs (lane, conversation_id, id)
    where state in ('waiting', 'running') and conversation_id is not null;
-- list jobs of an event, and of the events of a message; one delivery of an event to a destination, and one for each
-- replay
create unique index jobs_event on jobs (event_seq, destination, ifnull(replay_id, 0)) where event_seq is not null;
-- list jobs of a replay
create index jobs_replay on jobs (replay_id, id) where replay_id is not null;
-- a send by its name
create unique index jobs_send_key on jobs (send_key) where send_key is not null;
-- one reply to a message
create unique index jobs_reply_once on jobs (message_id) where kind = 'send' and rule is not null;
-- one archiving of an attachment
create unique index jobs_media_once on jobs (message_id, media_position) where kind = 'fetch_media';
-- list jobs in a state (dead letters); count and change them in bulk
create index jobs_state on jobs (state, id);
-- list jobs of a destination, with or without a state; find its oldest waiting one
create index jobs_destination on jobs (destination, state, id) where destination is not null;
-- list jobs of a kind, but for the usual one, with or without a state
create index jobs_kind on jobs (kind, state, id) where kind <> 'deliver';
-- list jobs of a message: of those that have sent one
create index jobs_sent_message on jobs (sent_message_id) where sent_message_id is not null;
-- list replies
create index jobs_replies on jobs (id) where kind = 'send' and rule is not null;
-- the reply guard: what went to a party, and what went out in all
create index jobs_sent_to on jobs (to_number, sent_at) where sent_at is not null;
create index jobs_replied on jobs (sent_at) where sent_at is not null and rule is not null;
-- purge finished jobs
create index jobs_finished on jobs (finished_at) where state in ('done', 'skipped', 'discarded');

-- How many jobs there are, kept by the triggers below, so that nobody needs to count them.
create table job_counts (
    kind text not null,
    destination text not null,      -- empty where there is none
    state text not null,
    jobs integer not null,
    primary key (kind, destination, state)
) strict, without rowid;
create trigger jobs_made after insert on jobs begin
    insert into job_counts (kind, destination, state, jobs)
        values (new.kind, coalesce(new.destination, ''), new.state, 1)
        on conflict (kind, destination, state) do update set jobs = jobs + 1;
end;
create trigger jobs_moved after update of state on jobs when new.state <> old.state begin
    update job_counts set jobs = jobs - 1
        where kind = old.kind and destination = coalesce(old.destination, '') and state = old.state;
    insert into job_counts (kind, destination, state, jobs)
        values (new.kind, coalesce(new.destination, ''), new.state, 1)
        on conflict (kind, destination, state) do update set jobs = jobs + 1;
end;
create trigger jobs_gone after delete on jobs begin
    update job_counts set jobs = jobs - 1
        where kind = old.kind and destination = coalesce(old.destination, '') and state = old.state;
end;

create table attempts (
    id integer primary key autoincrement,   -- position in the stream
    job_id integer not null references jobs (id) on delete cascade,
    number integer not null,
    started_at integer not null,
    finished_at integer not null,
    succeeded integer not null,
    status integer,
    error text,
    response text
) strict;
-- list attempts of a job
create index attempts_job on attempts (job_id, id);

-- --- filled behind everything else, in small steps

-- How far. `messages_text_<n>` are the full-text tables of `text_segments`; they are made when they are needed.
create table behind (
    name text primary key,          -- a list of `time_map`; that of messages tells of their texts too
    position integer not null       -- everything up to here has been taken up
) strict, without rowid;
insert into behind (name, position) values ('events', 0), ('messages', 0), ('jobs', 0);

-- Messages whose text or time has changed since they were stored.
create table changed_messages (
    number integer primary key
) strict;

-- The earliest and latest time in each run of 4,096 keys: where a list with a bound on time need not look.
create table time_map (
    list text not null,             -- `events` (by seq), `messages` (by number) or `jobs` (by id)
    block integer not null,         -- key / 4096
    first_at integer not null,
    last_at integer not null,
    primary key (list, block)
) strict, without rowid;

-- Runs of 262,144 message numbers that have a full-text table.
create table text_segments (
    segment integer primary key     -- number / 262144
) strict;

-- --- small things

create table settings (
    key text primary key,
    value blob not null
) strict, without rowid;

-- One row that the writer changes to learn whether the disk takes writes again.
create table probes (
    id integer primary key check (id = 1),
    count integer not null
) strict;
insert into probes (id, count) values (1, 0);
