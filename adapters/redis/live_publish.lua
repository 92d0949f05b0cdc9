-- Lets the events of a room out in order: the one after the top at once, those ahead when their turn comes, those
-- behind never. All keys of a room lie in one slot.
--
-- KEYS: top (hash: epoch, seq) · pen (hash: seq → body) · hot (stream of the youngest events, id seq-0)
-- ARGV: epoch · channel · how many the hot copy keeps · seconds all is kept · seconds the pen is kept · seq, body, …
-- Returns the number of the youngest event let out.

local epoch, channel, kept = ARGV[1], ARGV[2], ARGV[3]
local known = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
local top = tonumber(known[2])
if known[1] ~= epoch then
    redis.call('DEL', KEYS[2], KEYS[3])
    top = tonumber(ARGV[6]) - 1
end

local function number(seq)
    return string.format('%.0f', seq)
end

local function let_out(body)
    top = top + 1
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', kept, number(top) .. '-0', 'body', body)
    redis.call('PUBLISH', channel, 'E' .. number(top) .. ' ' .. epoch .. '\n' .. body)
end

local is_held = false
for at = 6, #ARGV, 2 do
    local seq = tonumber(ARGV[at])
    if seq == top + 1 then
        let_out(ARGV[at + 1])
        local body = redis.call('HGET', KEYS[2], number(top + 1))
        while body do
            redis.call('HDEL', KEYS[2], number(top + 1))
            let_out(body)
            body = redis.call('HGET', KEYS[2], number(top + 1))
        end
    elseif seq > top + 1 then
        redis.call('HSET', KEYS[2], number(seq), ARGV[at + 1])
        is_held = true
    end
end

redis.call('HSET', KEYS[1], 'epoch', epoch, 'seq', number(top))
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('EXPIRE', KEYS[3], ARGV[4])
if is_held then
    redis.call('EXPIRE', KEYS[2], ARGV[5])
end
return number(top)
