// A certified OpenID provider on loopback. Its settings come as JSON in the first argument: port, jwks (private keys), client, accounts.
// Who logs in stands in the header x-account, else it is the first of the accounts: no form, no password.
import { Provider } from "oidc-provider";

const { port, jwks, client, accounts } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  jwks,
  clients: [{ grant_types: ["authorization_code"], response_types: ["code"], ...client }],
  scopes: ["openid", "profile", "groups"],
  claims: { openid: ["sub"], profile: ["name", "preferred_username"], groups: ["groups"] },
  cookies: { keys: ["only for a test"] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (context, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  findAccount: (context, id) => accounts[id] && { accountId: id, claims: () => ({ sub: id, ...accounts[id] }) },
  async loadExistingGrant(context) {
    const grant = new context.oidc.provider.Grant({ clientId: context.oidc.client.clientId, accountId: context.oidc.session.accountId });
    grant.addOIDCScope("openid profile groups");
    await grant.save();
    return grant;
  },
});

provider.use(async (context, next) => {
  if (!context.path.startsWith("/interaction/")) return next();
  const login = { accountId: context.get("x-account") || Object.keys(accounts)[0] };
  await provider.interactionFinished(context.req, context.res, { login }, { mergeWithLastSubmission: false });
  context.respond = false;
});

provider.listen(port, "127.0.0.1", () => console.log("ready"));
