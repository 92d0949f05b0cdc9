-- Lets the events of rooms out in order: the one after the top at once, those ahead when their turn comes, those behind
-- never. All keys of a room lie in one slot; in a cluster a call is of one room.
--
-- KEYS, for each room: top (hash: epoch, seq) · pen (hash: seq → body) · hot (stream of the youngest events, id seq-0)
-- ARGV: how many the hot copy keeps · seconds all is kept · seconds the pen is kept;
--       then for each room: epoch · channel · how many events · seq, body, …

local kept, all_seconds, pen_seconds = ARGV[1], ARGV[2], ARGV[3]

local function number(seq)
    return string.format('%.0f', seq)
end

local function let_out_of_room(top_key, pen_key, hot_key, first)
    local epoch, channel, last = ARGV[first], ARGV[first + 1], first + 2 + 2 * tonumber(ARGV[first + 2])
    local known = redis.call('HMGET', top_key, 'epoch', 'seq')
    local top = tonumber(known[2])
    if known[1] ~= epoch then
        redis.call('DEL', pen_key, hot_key)
        top = tonumber(ARGV[first + 3]) - 1
    end

    local function let_out(body)
        top = top + 1
        redis.call('XADD', hot_key, 'MAXLEN', '~', kept, number(top) .. '-0', 'body', body)
        redis.call('PUBLISH', channel, 'E' .. number(top) .. ' ' .. epoch .. '\n' .. body)
    end

    local is_held = false
    for at = first + 3, last, 2 do
        local seq = tonumber(ARGV[at])
        if seq == top + 1 then
            let_out(ARGV[at + 1])
            local body = redis.call('HGET', pen_key, number(top + 1))
            while body do
                redis.call('HDEL', pen_key, number(top + 1))
                let_out(body)
                body = redis.call('HGET', pen_key, number(top + 1))
            end
        elseif seq > top + 1 then
            redis.call('HSET', pen_key, number(seq), ARGV[at + 1])
            is_held = true
        end
    end

    redis.call('HSET', top_key, 'epoch', epoch, 'seq', number(top))
    redis.call('EXPIRE', top_key, all_seconds)
    redis.call('EXPIRE', hot_key, all_seconds)
    if is_held then
        redis.call('EXPIRE', pen_key, pen_seconds)
    end
    return last + 1
end

local next_room = 4
for at = 1, #KEYS, 3 do
    next_room = let_out_of_room(KEYS[at], KEYS[at + 1], KEYS[at + 2], next_room)
end
