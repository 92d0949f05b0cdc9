-- Who is in a room. Entries are connections, members are people: one with two tabs is one member. Every change counts
-- the version on and is told in the room's channel. The engine's clock counts, so processes need not agree on theirs.
--
-- KEYS: seen (sorted set: 'connection user' by its end in milliseconds) · who (hash: user → view) · version
-- ARGV: channel · room id · milliseconds an entry lives from now on (0: it ends now) · 'enter' or 'keep'
--       · connection, user, view, …
-- Returns the version and the members as a JSON array.

local channel, room, lives, way = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local joins, leaves = {}, {}

for at = 5, #ARGV, 3 do
    local entry = ARGV[at] .. ' ' .. ARGV[at + 1]
    if way == 'enter' then
        redis.call('ZADD', KEYS[1], now + lives, entry)
        if redis.call('HSETNX', KEYS[2], ARGV[at + 1], ARGV[at + 2]) == 1 then
            joins[#joins + 1] = ARGV[at + 2]
        end
    else
        redis.call('ZADD', KEYS[1], 'XX', now + lives, entry)
    end
end

if redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now) > 0 then
    local present = {}
    for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
        present[string.sub(entry, string.find(entry, ' ', 1, true) + 1)] = true
    end
    for _, user in ipairs(redis.call('HKEYS', KEYS[2])) do
        if not present[user] then
            leaves[#leaves + 1] = redis.call('HGET', KEYS[2], user)
            redis.call('HDEL', KEYS[2], user)
        end
    end
end

-- a version that was lost begins at the time of day, which is beyond every number it had
redis.call('SET', KEYS[3], string.format('%.0f', now), 'NX')
if #joins + #leaves > 0 then
    redis.call('INCR', KEYS[3])
end
local version = redis.call('GET', KEYS[3])
if #joins + #leaves > 0 then
    redis.call(
        'PUBLISH',
        channel,
        'P{"type":"presence_diff","room_id":"' .. room .. '","version":' .. version
            .. ',"joins":[' .. table.concat(joins, ',') .. '],"leaves":[' .. table.concat(leaves, ',') .. ']}'
    )
end
for _, key in ipairs(KEYS) do
    redis.call('EXPIRE', key, 86400)
end
return { version, '[' .. table.concat(redis.call('HVALS', KEYS[2]), ',') .. ']' }
