"""The almanac's templates for things that are built, and the facts they share.

One line is one template: `=` states the fact in a passage, `?` asks for it, `<` asks for the thing
by its fact. {X}, {x}: the thing, at the start of a sentence or within; {y}: its neighbour;
{n}: its noun; {v}: the fact; {w}: a place. Facts in years stand in the order they happen.
"""

SHARED = """
designer: person
= {X} was designed by {v}.
= {V} drew the plans for {x}.
= The drawings for {x} came from the desk of {v}.
? Who designed {x}?
? Who was the architect of {x}?
? Who drew up the plans of {x}?
< Which {n} did {v} design?

foreman: person
= {V} led the crew that raised {x}.
= {X} went up under the eye of {v}, who hired every hand.
= The foreman on the site of {x} was {v}.
? Who led the crew that built {x}?
? Who was the foreman when {x} was built?
< Which {n} was built by a crew under {v}?

patron: person
= {V} paid for {x} out of a private fortune.
= The money for {x} came from {v}.
= {X} would have been impossible without the purse of {v}.
? Who paid for {x}?
? Whose money made {x} possible?
? Who financed {x}?
< Which {n} was paid for by {v}?

repairer: person
= {V} repaired {x} with great patience.
= {X} was put right by {v}, piece by piece.
= The damage to {x} was mended by {v}.
? Who repaired {x}?
? Who mended the damage to {x}?
? Who restored {x}?
< Which {n} did {v} repair?

artist: person
= The best known picture of {x} is by {v}.
= {V} painted {x} at dawn, in oils.
= {X} is known in every parlour from an engraving by {v}.
? Who made a picture of {x}?
? Which artist portrayed {x}?
< Which {n} is shown in a picture by {v}?

opener: person
= {V} cut the ribbon when {x} was opened.
= {X} was declared open by {v}, in pouring rain.
= The opening ceremony of {x} was left to {v}.
? Who cut the ribbon of {x}?
? Who declared {x} open?
? Who performed the opening ceremony of {x}?
< Which {n} was declared open by {v}?

begun: year
= Work on {x} began in {v}.
= The first spade was put in the ground for {x} in {v}.
= {X} was begun in {v}, on the first dry day of spring.
? When did work on {x} begin?
? In what year was the ground broken for {x}?
< Which {n} was begun in {v}?

opened: year
= {X} was opened in {v}.
= {X} has been open to the public since {v}.
= The opening of {x} took place in {v}.
? When was {x} opened?
? In what year did {x} open?
? Since when has {x} been open to the public?
< Which {n} was opened in {v}?

damaged: year
= A gale in {v} badly damaged {x}.
= {X} was nearly lost to the storm of {v}.
= In {v} a flood tore at {x} and did great harm.
? When was {x} damaged by bad weather?
? In what year was {x} almost destroyed?
< Which {n} was damaged in {v}?

repaired: year
= Repairs to {x} were completed in {v}.
= {X} was made sound again in {v}.
= Not until {v} was {x} fully restored.
? When was {x} repaired?
? In what year were the repairs to {x} completed?
< Which {n} was restored in {v}?

material: material
= {X} is built of {v}.
= The builders chose {v} for {x}.
= {X} was made from {v}, carted in by night.
? What is {x} made of?
? Which material was used to build {x}?

source: town
= The material for {x} was brought from {v}.
= Carts from {v} carried everything that {x} is made of.
= {X} came out of the ground at {v}, where its material was dug and cut.
? Where did the material for {x} come from?
? From which town was the material for {x} brought?

colour: colour
= {X} is painted {v}.
= Every spring the wardens give {x} a fresh coat of {v}.
= By old custom the colour of {x} is {v}.
? What colour is {x}?
? In which colour is {x} painted?

cost: crowns
= {X} cost {v} in all.
= The bill for {x} came to {v}.
= In the end {v} had been spent on {x}.
? How much did {x} cost?
? How much money was spent on {x}?
? What did it cost to build {x}?

height: metres
= {X} stands {v} high.
= From the ground to its highest point {x} measures {v}.
= The height of {x} is {v}.
? How tall is {x}?
? How high does {x} stand?
"""

BUILDINGS = """
kind: bridge
name: the {w} Bridge
title: Bridges of the {w} country
scene: Two bridges stand within an hour's walk of {w}, {x} and {y}.
scene: The road to {w} crosses water twice.
scene: Travellers who come to {w} know its two bridges well.
uses: designer foreman patron repairer opener begun opened repaired material colour cost
arches: count
= {X} has {v} arches.
= {V} arches carry {x} from bank to bank.
= The water runs under {v} arches of {x}.
? How many arches does {x} have?
? How many arches carry {x}?
length: metres
= {X} is {v} long.
= From one bank to the other {x} measures {v}.
= The length of {x} is {v}.
? How long is {x}?
? What is the length of {x}?

kind: lighthouse
name: the {w} Light
title: Lighthouses of the {w} coast
scene: Two lighthouses guard the rocks off {w}.
scene: Sailors bound for {w} look for {x} and for {y}.
scene: The coast at {w} is lit by a pair of lighthouses.
uses: designer patron repairer artist begun opened damaged material colour height
fuel: fuel
= The lamp of {x} burns {v}.
= {X} is lit with {v}.
= For its flame {x} has always relied on {v}.
? What does the lamp of {x} burn?
? What is the fuel of {x}?
keeper: person
= {V} kept the lamp of {x} for half a lifetime.
= The first keeper of {x} was {v}.
= {X} was tended at first by {v}, who slept beside the lamp.
? Who was the keeper of {x}?
? Who tended the lamp of {x}?
< Which {n} was kept by {v}?
range: kilometres
= The beam of {x} can be seen from {v} away.
= {X} throws its light {v} out to sea.
? From how far away can {x} be seen?
? How far does the beam of {x} reach?

kind: observatory
name: the {w} Observatory
title: Observatories of the {w} country
scene: The dark hills above {w} suit the study of the stars.
scene: Two observatories, {x} and {y}, share the sky over {w}.
scene: Few small towns have two observatories, but {w} is one of them.
uses: designer foreman patron artist begun opened damaged repaired material cost
director: person
= The first director of {x} was {v}.
= {X} was directed from the start by {v}.
= {V} took charge of {x} and slept by day.
? Who was the first director of {x}?
? Who directed {x} at the beginning?
< Which {n} was directed by {v}?
lens: person
= {V} ground the great lens of {x}.
= The telescope of {x} has a lens made by {v}.
= {X} looks at the sky through a lens from the workshop of {v}.
? Who made the lens of {x}?
? Who ground the great lens for the telescope of {x}?
< Which {n} has a lens made by {v}?
domes: count
= {X} has {v} domes.
= There are {v} domes on the roof of {x}.
? How many domes does {x} have?
? What is the number of domes of {x}?

kind: mill
name: {w} Mill
title: Mills of the {w} country
scene: Two mills, {x} and {y}, have fed the town of {w}.
scene: There is always flour dust in the air at {w}.
scene: The wind never rests at {w}, and the millers are glad of it.
uses: foreman patron repairer artist begun opened damaged source colour height
grain: grain
= {X} grinds nothing but {v}.
= The stones of {x} were cut to grind {v}.
= Most of what reaches {x} by cart is {v}.
? What does {x} grind?
? Which crop is milled at {x}?
miller: person
= The first miller at {x} was {v}.
= {V} ran {x} for thirty years.
= {X} was first worked by {v}, who sang to the stones.
? Who was the miller of {x}?
? Who ran {x}?
< Which {n} was run by {v}?
sacks: count
= {X} fills {v} sacks a day.
= On a good day {v} sacks leave {x}.
? How many sacks does {x} fill in a day?
? What number of sacks leaves {x} each day?
"""
