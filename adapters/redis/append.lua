-- Adds the next event of a run and tells those who wait for it.
--   KEYS[1]  the run's stream, whose entry ids are "<offset>-0"
--   ARGV     offset, name, data, seconds to live, channel
-- Returns 1 when added, 0 when the offset was there before, -1 when events between are missing.
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local last = 0
if newest[1] then
  last = tonumber(string.match(newest[1][1], '^(%d+)-'))
end
local offset = tonumber(ARGV[1])
if offset <= last then
  return 0
end
if offset ~= last + 1 then
  return -1
end
redis.call('XADD', KEYS[1], ARGV[1] .. '-0', 'name', ARGV[2], 'data', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[1])
return 1
