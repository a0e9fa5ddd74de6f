// The time from a change of a setting until its picture is on the screen

const MOVEMENT = "moonnet-movement"; // name of the performance measures

// Run a task once the next frame is on the screen
export function afterFrame(task) {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      task();
    };
    port2.postMessage(null);
  });
}

// Record and return the milliseconds from a change of a setting until its picture is on the screen
export function measureMovement(id, changedAt) {
  if (performance.getEntriesByName(MOVEMENT).length >= 1000) performance.clearMeasures(MOVEMENT);
  return performance.measure(MOVEMENT, { start: changedAt, end: performance.now(), detail: { id } }).duration;
}
