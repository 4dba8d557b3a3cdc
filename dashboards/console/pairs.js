// Whom a warning is about: both of a pair (`a+b`, in order), else its subject alone. As hub/pairs.py says.

const plain = (name) => name.replaceAll("%2B", "+").replaceAll("%25", "%");

/** @param {string} subject @param {{has(id: string): boolean}} devices those there are: a device that is called like a pair is none */
export function members(subject, devices) {
  const two = subject.split("+");
  if (two.length !== 2 || devices.has(subject)) return [subject];
  const [first, second] = two.map(plain);
  return first && second && first <= second ? [first, second] : [subject];
}
