-- Adds events of a run and tells those who wait for them.
--   KEYS[1]  the run's stream, whose entry ids are "<offset>-0"
--   ARGV     seconds to live, channel, then offset, name, data of each event
-- Returns how many events there are now, or -1 when the run was ended before these.
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local last, ended = 0, false
if newest[1] then
  last = tonumber(string.match(newest[1][1], '^(%d+)-'))
  local name = newest[1][2][2]
  ended = name == 'message.completed' or name == 'message.failed'
end
local before = last
for i = 3, #ARGV, 3 do
  local offset = tonumber(ARGV[i])
  if offset > last then
    if ended then
      return -1
    end
    if offset ~= last + 1 then
      break
    end
    redis.call('XADD', KEYS[1], ARGV[i] .. '-0', 'name', ARGV[i + 1], 'data', ARGV[i + 2])
    last = offset
  end
end
if last > before then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
  redis.call('PUBLISH', ARGV[2], last)
end
return last
