-- Spends on several limits at once, or on none (generic cell rate algorithm: one time stamp a limit).
--   KEYS  the limits
--   ARGV  for each: window in microseconds, interval in microseconds, cost, arrears, which are spent in any case
-- Returns index of the tightest, 1 when allowed, remaining, microseconds to the full quota, microseconds to wait.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local owed, after = {}, {}
local tightest, allowed, remaining, reset, wait = 1, 1, nil, 0, 0
for i, key in ipairs(KEYS) do
  local window, interval, cost = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2]), tonumber(ARGV[4 * i - 1])
  local before = math.max(now, tonumber(redis.call('GET', key) or now)) + tonumber(ARGV[4 * i]) * interval
  local over = before + math.max(cost, 1) * interval - window - now
  owed[i] = before
  after[i] = before + cost * interval
  if over > 0 then
    if over > wait then
      tightest, remaining, reset, wait = i, 0, before - now, over
    end
    allowed = 0
  elseif allowed == 1 then
    local left = math.floor((window - (after[i] - now)) / interval)
    if remaining == nil or left < remaining then
      tightest, remaining, reset = i, left, after[i] - now
    end
  end
end
for i, key in ipairs(KEYS) do
  local full = allowed == 1 and after[i] or owed[i]
  if tonumber(ARGV[4 * i]) > 0 or (allowed == 1 and tonumber(ARGV[4 * i - 1]) > 0) then
    redis.call('SET', key, string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
  end
end
return {tightest, allowed, remaining, math.ceil(reset), math.ceil(wait)}
