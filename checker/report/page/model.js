/* The model of bgsafe in the page: checker/model/peak.py, cow.py, access.py and lifetime.py, by their names.
   What a save is made of comes from checker/report/what_if.py. Sizes are bytes; m is one server's parameters. */
"use strict";
globalThis.bgsafe = (() => {
  const K = JSON.parse(document.getElementById("constants").textContent);
  const HIGHEST_RATE = 1e12;

  const powerOfTwoAtLeast = (count) => {
    const wanted = Math.max(1, Math.round(count));
    let power = 1;
    while (power < wanted) power *= 2;
    return power;
  };
  const tableBytes = (items, buckets) =>
    buckets ? K.bucketBytes * powerOfTwoAtLeast(items / K.bucketEntries) : K.pointerBytes * powerOfTwoAtLeast(items);

  /** The same save of more or less of the same data: peak.py scaled(). */
  const scaled = (m, resident) => {
    const ratio = resident / m.resident;
    const more = ((resident - m.resident) * 8) / m.page;
    return {
      ...m,
      resident,
      seconds: m.seconds * ratio,
      base: Math.max(0, m.base + (resident - m.resident) + more),
      tables: Math.max((resident * 8) / m.page, m.tables + more),
      file: m.file * ratio,
      childGrows: m.childGrows * ratio,
      values: m.values * ratio,
      populations: m.populations.map((p) => ({
        ...p,
        keys: p.keys * ratio,
        items: p.items * ratio,
        regions: p.regions.map(([slots, ...rest]) => [slots * ratio, ...rest]),
      })),
    };
  };

  const lifetime = (m, rate) => {
    if (!m.cores) return m.seconds;
    const child = Math.max(m.cores / 2, m.cores - Math.min(1, rate * K.writeCpuSeconds));
    return m.seconds * Math.max(1, 1 / child);
  };

  // --- access.py: the share of the keys that so many writes touch ---
  const EXACT_RANKS = 256;
  const INTERVALS = 128;
  const sumOverRanks = (term, keys) => {
    let total = 0;
    for (let rank = 1; rank <= Math.min(keys, EXACT_RANKS); rank++) total += term(rank);
    if (keys <= EXACT_RANKS) return total;
    const start = Math.log(EXACT_RANKS + 0.5);
    const step = (Math.log(keys + 0.5) - start) / INTERVALS;
    const at = (i) => { const rank = Math.exp(start + i * step); return term(rank) * rank; };
    let inner = 0;
    for (let i = 1; i < INTERVALS; i++) inner += (i % 2 ? 4 : 2) * at(i);
    return total + ((at(0) + inner + at(INTERVALS)) * step) / 3;
  };
  const norms = new Map();
  const zipfNorm = (exponent, keys) => {
    const name = `${exponent} ${keys}`;
    if (!norms.has(name)) norms.set(name, sumOverRanks((rank) => rank ** -exponent, keys));
    return norms.get(name);
  };
  const touchedRatio = ([kind, parameter], keys, writes) => {
    if (writes <= 0 || keys <= 0) return 0;
    if (kind === "uniform") return -Math.expm1(-writes / keys);
    if (kind === "hot") {
      const hot = parameter / 100;
      const background = (0.1 * writes) / keys;
      const heated = (0.9 * writes) / (hot * keys) + background;
      return -hot * Math.expm1(-heated) - (1 - hot) * Math.expm1(-background);
    }
    const count = Math.max(1, Math.round(keys));
    const scale = writes / zipfNorm(parameter, count);
    return Math.min(1, sumOverRanks((rank) => -Math.expm1(-scale * rank ** -parameter), count) / count);
  };

  // --- cow.py ---
  const anyOf = (count, ratio) => {
    if (ratio >= 1) return count >= 1 ? 1 : count;
    if (count < 1) return count * ratio;
    return -Math.expm1(count * Math.log1p(-ratio));
  };
  const regionBytes = ([slots, fixedBytes, touches, target, whole, chance], writes, keys, population, m, spread, progress) => {
    const touched = touchedRatio(m.distribution, keys, writes * progress * chance) * target;
    if (touched <= 0) return 0;
    const slotBytes =
      fixedBytes || Math.max(1, Math.round(tableBytes(population.items, true) / Math.max(1, population.items)));
    const total = (slots * slotBytes * spread) / m.page;
    if (whole > 0) {
      const edge = total - whole * slots;
      const edgeTouching = ((touches - whole) * slots) / Math.max(edge, 1e-9);
      const edges = edge > 0 ? edge * anyOf(edgeTouching, touched) : 0;
      return m.page * (edges + whole * slots * (1 - progress) * touched);
    }
    return m.page * total * anyOf((touches * slots) / total, touched);
  };
  const footprint = (m) =>
    m.populations.reduce((sum, p) => sum + p.items * p.itemBytes + tableBytes(p.items, p.buckets), 0);
  const clients = (m) => {
    const shape = footprint(m);
    if (!m.populations.length || m.resident < K.shapeExplains * shape) {
      return { live: (writes, progress) =>
        -m.resident * Math.expm1((-m.touched * m.unit * writes * progress) / m.resident), gives: false };
    }
    const ratio = m.resident / shape;
    const spread = ratio > K.spreadTolerance ? ratio : 1;
    const keys = m.populations.reduce((sum, p) => sum + p.keys, 0);
    const live = (writes, progress) => {
      let bytes = 0;
      for (const p of m.populations)
        for (const region of p.regions) bytes += regionBytes(region, writes, keys, p, m, spread, progress);
      return bytes;
    };
    return { live, gives: m.populations.some((p) => p.regions.some((region) => region[4] > 0)) };
  };
  const childBytes = (m) => m.child + m.childGrows;

  /** Bytes that live at a progress of the child (0 to 1), and the most of them: cow.py live_copies, copied_bytes. */
  const copies = (m) => {
    const { live, gives } = clients(m);
    const child = childBytes(m);
    const most = m.resident + child;
    const at = (writes, progress) => Math.min(most, child + m.values * progress + live(writes, progress));
    const peak = (writes) => {
      if (!gives) return at(writes, 1);
      let found = 0;
      for (let step = 1; step <= K.dismissSteps; step++) found = Math.max(found, at(writes, step / K.dismissSteps));
      return found;
    };
    return { at, peak, most };
  };

  // --- peak.py ---
  const fixed = (m) => m.base + m.tables + K.forkKernelBytes;
  const buffers = (m, writes) =>
    m.perWrite ? Math.min(m.bufferLimit === null ? Infinity : m.bufferLimit, m.perWrite * writes) : 0;
  const peaks = (m) => {
    const { peak } = copies(m);
    return (rate) => {
      const writes = rate * lifetime(m, rate);
      return fixed(m) + m.file + peak(writes) + buffers(m, writes);
    };
  };
  const DEFAULT_REPLICA_BUFFER = 256 * 1024 * 1024;
  const worstPeak = (m, rate) => {
    let most = 0;
    if (m.perWrite) {
      most = m.bufferLimit === null
        ? Math.max(m.perWrite * rate * lifetime(m, rate), DEFAULT_REPLICA_BUFFER) : m.bufferLimit;
    }
    return fixed(m) + m.file + m.resident + childBytes(m) + most;
  };
  /** Highest write rate whose expected peak fits: Infinity where any does, 0 where none does. */
  const budget = (m, limit) => {
    const peak = peaks(m);
    if (peak(0) > limit) return 0;
    if (peak(HIGHEST_RATE) <= limit) return Infinity;
    let low = 0;
    let high = HIGHEST_RATE;
    while (high - low > 1e-9 * Math.max(1, high)) {
      const middle = low > 0 && high > 16 * low ? Math.sqrt(low * high) : (low + high) / 2;
      if (peak(middle) <= limit) low = middle; else high = middle;
    }
    return low;
  };
  /** Memory over the time of a save: course.py. */
  const course = (m, rate, limit, steps) => {
    const seconds = lifetime(m, rate);
    const { at, most } = copies(m);
    const writes = rate * seconds;
    const held = (progress, ratio) =>
      fixed(m) + m.file * progress + Math.min(most, at(writes, progress) * ratio) + buffers(m, writes * progress);
    const times = [], expected = [], low = [], high = [];
    let killedAt = null;
    for (let step = 0; step <= steps; step++) {
      const progress = step / steps;
      times.push(seconds * progress);
      expected.push(held(progress, 1));
      low.push(held(progress, m.low));
      high.push(held(progress, m.high));
      if (killedAt === null && limit !== null && expected[step] > limit) {
        const share = step ? (limit - expected[step - 1]) / (expected[step] - expected[step - 1]) : 0;
        killedAt = step ? times[step - 1] + share * (times[step] - times[step - 1]) : 0;
      }
    }
    return { seconds, times, expected, low, high, killedAt };
  };
  return { scaled, lifetime, peak: (m, rate) => peaks(m)(rate), peaks, worstPeak, budget, course };
})();
